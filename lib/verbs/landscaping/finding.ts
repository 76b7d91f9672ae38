/** What is found at a point: its model is made and measured; where only its probes are new, they alone are asked. */
import { toTongueforgeError } from '../../errors'
import type { LabelledProgress } from '../run'
import { forgetModels, type MakingOptions, makePoint } from './making'
import type { PointMeasure } from './measure'
import type { PlannedPoint } from './plan'
import type { ORIGINAL } from './points'
import { isKept } from './probing'
import type { LandscapePoint, PointPlace, PointRecord } from './record'

export type AnyPoint = PlannedPoint | typeof ORIGINAL

export interface Finding {
  measure: PointMeasure
  /** Folder of the model that all start from. */
  original: string
  options: MakingOptions
}

/** What stops every other point as well. */
const FATAL = new Set(['ERR_NO_SPACE', 'ERR_IO', 'ERR_BUSY', 'ERR_LIBTORCH'])

/** A point that fails is a record of that. Throws what stops all of them, and `signal.reason`. */
export async function findPoint(place: PointPlace, point: AnyPoint, work: Finding): Promise<PointRecord> {
  const { measure, original } = work
  const told = toldOf(point, work)
  if (!('compress' in point)) return { ...place, ...(await measure.of(original, told)), seconds: 0 }
  try {
    const { model, seconds } = await makePoint(point, told)
    const figures = await measure.of(model, told)
    if (!measure.config.keep_models) await forgetModels(point)
    return { ...place, ...figures, seconds }
  } catch (error) {
    const { code, message, hint } = toTongueforgeError(error)
    if (told.signal.aborted || FATAL.has(code)) throw error
    told.onWarning(`${place.point} failed: ${message}`)
    return { ...place, error: { code, message, hint } }
  }
}

/** Of a point that all else is known of. Its model is made again where it was not kept. */
export async function probePoint(
  before: LandscapePoint,
  point: AnyPoint,
  work: Finding,
): Promise<LandscapePoint> {
  const { measure, original } = work
  const told = toldOf(point, work)
  if (!('compress' in point)) return { ...before, probes: await measure.probesOf(original, told) }
  if (!isKept(point))
    told.onWarning(`${point.name}: its model is made again to be probed, as it was not kept (keep_models)`)
  const { model } = await makePoint(point, told)
  const probes = await measure.probesOf(model, told)
  if (!measure.config.keep_models) await forgetModels(point)
  return { ...before, probes }
}

/** Who hears of the work on a point, by its name. */
const toldOf = ({ name }: AnyPoint, { options }: Finding): MakingOptions => ({
  ...options,
  onProgress: ({ label, ...count }: LabelledProgress) =>
    options.onProgress({ label: `${name}: ${label}`, ...count }),
})
