/** Techniques of compression at many rates on one model: load -> plan -> run -> save -> report. A point is a `compress`. */
import type { LandscapeConfig } from '../config/landscape'
import { csvText } from '../report/csv'
import { keptDtype } from './compressing/kept_dtype'
import { type Means, ModelAtHand } from './compressing/model_at_hand'
import { type AnyPoint, findPoint, probePoint } from './landscaping/finding'
import type { MakingOptions } from './landscaping/making'
import { PointMeasure } from './landscaping/measure'
import { landscapePage } from './landscaping/page'
import {
  type ForetoldPoint,
  foretoldPoints,
  hashesOf,
  type PlannedPoint,
  planPoints,
  readLandscapeConfig,
} from './landscaping/plan'
import { ORIGINAL } from './landscaping/points'
import { type Planning, PointProbes } from './landscaping/probing'
import { type PointPlace, type PointRecord, PointRecords } from './landscaping/record'
import { type LandscapeReport, reportOf } from './landscaping/report'
import { type MeasuredRow, measuredRow, measureFor } from './landscaping/row'
import { rowsOf } from './landscaping/table'
import {
  type ConfiguredOptions,
  type DryRun,
  type FullRun,
  type LabelledProgress,
  RESUMABLE,
  type Run,
  type RunContext,
  startRun,
} from './run'
import { ClaimedFolder } from './training/claimed_folder'
import { pathsIn } from './training/read_paths'

export type { FailedPoint, LandscapePoint, PointRecord } from './landscaping/record'
export type { LandscapeReport } from './landscaping/report'

export interface LandscapeOptions extends ConfiguredOptions<LandscapeProgress> {
  /** Called where a run that is stopped has left something to go on with. */
  onKept?: (() => void) | undefined
}

/** Of the work on a point, with its name in the label. */
export type LandscapeProgress = LabelledProgress

export interface LandscapePlanReport {
  dry_run: true
  points: ForetoldPoint[]
}

/** A landscape: iterate over its points, await its `result`. */
export type LandscapeRun<Report = LandscapeReport | LandscapePlanReport> = Run<PointRecord, Report>

/**
 * Compresses a model in many ways, as a YAML file or an object says, and holds quality against parameters, bytes, MACs
 * and time (docs/landscape.md). A point that fails is told and does not stop the others. Iterate over the points, await
 * `result`. Throws ERR_CONFIG, ERR_DATA, ERR_EXISTS, ERR_BUSY, ERR_NO_SPACE.
 */
export function landscape(
  config: string | object,
  options?: FullRun<LandscapeOptions>,
): LandscapeRun<LandscapeReport>
/** What it would do: nothing is done. */
export function landscape(
  config: string | object,
  options: DryRun<LandscapeOptions>,
): LandscapeRun<LandscapePlanReport>
/** Either, as the options say. */
export function landscape(config: string | object, options?: LandscapeOptions): LandscapeRun
export function landscape(config: string | object, options: LandscapeOptions = {}): LandscapeRun {
  return startRun('landscape', options, RESUMABLE, (context) => runLandscape(config, options, context))
}

type Context = RunContext<PointRecord>

/** Everything that is known before the first weight is read. */
interface Plan {
  config: LandscapeConfig
  original: ModelAtHand
  means: Means
  row: MeasuredRow
  probes: PointProbes | undefined
  points: PlannedPoint[]
}

async function runLandscape(
  source: string | object,
  options: LandscapeOptions,
  context: Context,
): Promise<LandscapeReport | LandscapePlanReport> {
  const { resume = false, overwrite = false, dryRun = false, onWarning: warn = () => {} } = options
  const { config, file } = await readLandscapeConfig(source, options.overrides ?? [])
  const folder = new ClaimedFolder(config, inputsOf(config))
  await folder.check({ resume, overwrite })
  const planning = { signal: context.signal, onWarning: warn }
  const plan = await planLandscape(config, file, folder.path, planning)
  if (dryRun) return { dry_run: true, points: foretoldPoints(plan) }
  return folder.hold(warn, async (replaces) => {
    if (replaces) await folder.clear()
    return landscapeIn(folder, plan, { ...options, ...context })
  })
}

function inputsOf({ model, evaluate, calibration, probe, recovery, techniques }: LandscapeConfig): string[] {
  return [model, ...pathsIn([evaluate, calibration, probe, recovery, techniques])]
}

async function planLandscape(
  given: LandscapeConfig,
  file: string,
  folder: string,
  planning: Planning,
): Promise<Plan> {
  const { threads } = given
  const opened = await ModelAtHand.open(given.model, { dtype: 'float32', threads })
  const dtype = given.dtype ?? (await keptDtype(opened.folder, opened.spec, planning.onWarning))
  const means = { dtype, threads }
  const measure = measureFor(opened.spec, given.measure, file)
  const config = { ...given, measure, dtype: means.dtype }
  const original = await ModelAtHand.open(given.model, means)
  const row = await measuredRow(original.spec, original.folder.path, measure, file)
  const probes = await PointProbes.open(config, original, file, planning)
  const points = await planPoints(config, file, original.spec, folder, probes)
  return { config, original, means, row, probes, points }
}

type Work = LandscapeOptions & Context

async function landscapeIn(
  folder: ClaimedFolder<LandscapeConfig>,
  plan: Plan,
  work: Work,
): Promise<LandscapeReport> {
  const { config, original, means, row, probes, points } = plan
  const { signal, onWarning = () => {} } = work
  const start = performance.now()
  const measure = await PointMeasure.open(config, original, means, row, probes, { signal, onWarning })
  try {
    const hashes = await hashesOf(plan, signal)
    const probed = probes ? { probes_sha256: await probes.hash(signal) } : {}
    const records = new PointRecords(folder.path)
    await folder.writeConfig() // first: without it a folder is no run that can be gone on with
    await records.open(hashes)
    const finding = { measure, original: original.folder.path, options: optionsOf(work) }
    let measured = 0
    for (const [step, point] of [ORIGINAL, ...points].entries()) {
      const before = records.find(point.name)
      if (before && (probes === undefined || before.probes_sha256 === probed.probes_sha256)) continue
      signal.throwIfAborted()
      const place = { ...placeOf(step, point, hashes.get(point.name)!), ...probed }
      const record = before
        ? { ...(await probePoint(before, point, finding)), ...probed }
        : await findPoint(place, point, finding)
      await records.put(record)
      work.onKept?.()
      work.emit(record)
      measured++
    }
    const seconds = (performance.now() - start) / 1000
    const session = { kind: original.spec.kind, measured, seconds }
    const report = reportOf(records.inOrder([ORIGINAL, ...points]), config, session)
    await writeReport(folder, report, config)
    return report
  } finally {
    await measure.close()
    await probes?.close()
  }
}

const placeOf = (step: number, { name, technique, rate }: AnyPoint, inputs_sha256: string): PointPlace => ({
  ...{ step, point: name, technique, rate },
  inputs_sha256,
})

const optionsOf = ({ signal, onWarning, onProgress, onKept }: Work): MakingOptions => ({
  signal,
  onWarning: onWarning ?? (() => {}),
  onProgress: onProgress ?? (() => {}),
  onKept: onKept ?? (() => {}),
})

async function writeReport(
  folder: ClaimedFolder<LandscapeConfig>,
  report: LandscapeReport,
  config: LandscapeConfig,
): Promise<void> {
  await folder.write('landscape.csv', csvText(rowsOf(report.points, report.fronts)))
  await folder.write('landscape.html', await landscapePage(report, config))
  await folder.writeReport(report)
}
