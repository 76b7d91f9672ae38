/** Everything that is known before the first point: configs, the model, what each point will come out as. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { CompressConfig } from '../../config/compress'
import { type LandscapeConfig, landscapeSchema, type Rate } from '../../config/landscape'
import { checkConfig, configError, readGiven } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { dataCacheFolder } from '../../text/cache/place'
import { checkSources, readCompressConfig, sourcesOf } from '../compressing/config'
import { type ForetoldFigures, foretoldFigures } from '../compressing/figures'
import { Identity } from '../compressing/identity'
import type { Means, ModelAtHand } from '../compressing/model_at_hand'
import { checkMeasurable, checkTrainings, type PlannedStage, planStages } from '../compressing/plan'
import type { Shape } from '../compressing/stage'
import { canonicalJson, recordSources } from '../training/identity'
import { checkSound } from '../training/model_kind'
import { recordSoundKeys, recordSounds } from '../training/sound_identity'
import { ORIGINAL, type PointPlan, pointsOf } from './points'
import type { PointProbes } from './probing'
import type { MeasuredRow } from './row'

export interface PlannedPoint extends PointPlan {
  compress: CompressConfig
  stages: PlannedStage[]
  /** What it will come out as, as far as that can be foretold. */
  after: Shape
}

/** A YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readLandscapeConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<{ config: LandscapeConfig; file: string }> {
  const { file, raw } = await readGiven(source, overrides)
  return { config: checkConfig(landscapeSchema, raw, file), file }
}

/** Every point with its stages checked. Throws ERR_CONFIG that names the point and the key, ERR_NOT_FOUND. */
export async function planPoints(
  config: LandscapeConfig,
  file: string,
  spec: ModelSpec,
  folder: string,
  probes: PointProbes | undefined,
): Promise<PlannedPoint[]> {
  checkSound(spec, config)
  checkMeasurable(config, spec, file)
  await checkSources(config.evaluate.data, config)
  const all: PlannedPoint[] = []
  for (const point of pointsOf(config, file)) {
    all.push(
      await within(file, point.name, async () => {
        const out = join(folder, 'points', point.name)
        const { config: compress } = await readCompressConfig({ ...point.config, out }, [])
        const stages = planStages(compress, 'config', { spec, zeros: 0 })
        await checkTrainings(stages, compress, 'config')
        await checkSources(sourcesOf(compress), compress)
        const planned = { ...point, compress, stages, after: stages.at(-1)!.after }
        probes?.check(planned)
        return planned
      }),
    )
  }
  return all
}

/** Says which point a config is of that `compress` would refuse. */
async function within<Result>(file: string, point: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TongueforgeError) || error.code !== 'ERR_CONFIG') throw error
    const { key } = error.details as { key?: string }
    const message = `${point}: ${error.message.replace(/^config: /, '')}`
    throw configError(file, message, { hint: error.hint, ...(key !== undefined && { key }) })
  }
}

/** A point that has not run. */
export interface ForetoldPoint extends Partial<ForetoldFigures> {
  point: string
  technique: string
  rate: Rate | null
  /** Why there are no figures: only the weights can tell. */
  unknown?: string
}

interface Plan {
  config: LandscapeConfig
  original: ModelAtHand
  means: Means
  /** What is timed and counted for. */
  row: MeasuredRow
  points: readonly PlannedPoint[]
}

/** The model as it is, then every point, in closed form. */
export function foretoldPoints({ original, means, row, points }: Plan): ForetoldPoint[] {
  const start = { ...ORIGINAL, after: { spec: original.spec, zeros: 0 } as Shape }
  const counted = { dtype: means.dtype, row: row.macs }
  return [start, ...points].map(({ name: point, technique, rate, after }) => {
    const figures = foretoldFigures(after, counted)
    return { point, technique, rate, ...(figures ?? { unknown: after.unknown! }) }
  })
}

/** By point, of all that decides what is told of it: the model, the held-out text, how it is measured. */
export async function hashesOf(
  { config, original, means, points }: Plan,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const { evaluate, measure, data_cache, seed } = config
  const cache = dataCacheFolder(data_cache)
  const record = config.sound ? recordSounds : recordSources
  const { content } = await record('evaluate', evaluate.data, { cache, signal })
  const sound = (await recordSoundKeys(config.sound, signal)).content
  const judged = { evaluate: { ...evaluate, data: content }, sound, measure, seed }
  const hashes = new Map<string, string>()
  for (const { name, compress, stages } of [{ ...ORIGINAL, ...ofOriginal(config) }, ...points]) {
    const identity = new Identity(compress, original.folder, means.dtype, signal)
    let model = await identity.start()
    for (const stage of stages) model = await identity.of(stage, model)
    hashes.set(
      name,
      createHash('sha256')
        .update(canonicalJson({ model, ...judged }))
        .digest('hex'),
    )
  }
  return hashes
}

// Nothing is done to it.
const ofOriginal = ({ model, out }: LandscapeConfig) => ({
  compress: { model, out } as CompressConfig,
  stages: [] as PlannedStage[],
})
