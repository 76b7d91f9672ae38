/** A model made small in stages: load -> plan -> run -> save -> report. A stage is a row of compressing/stages.ts. */
import { dtypeKey } from '../checkpoint/dtype_key'
import { openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import type { CompressConfig } from '../config/compress'
import { HeldOut } from './compressing/calibration'
import { CompressFolder } from './compressing/compress_folder'
import { checkSources, inputsOf, readCompressConfig, sourcesOf } from './compressing/config'
import { foretoldFigures } from './compressing/figures'
import { Identity } from './compressing/identity'
import { keptDtype } from './compressing/kept_dtype'
import { type Means, ModelAtHand } from './compressing/model_at_hand'
import { checkNeeds, type Needs, needsOf } from './compressing/needs'
import { type CompressEvent, runStages, type Session } from './compressing/pipeline'
import {
  asksLoss,
  calibrates,
  checkMeasurable,
  checkTrainings,
  type PlannedStage,
  planStages,
} from './compressing/plan'
import { publish } from './compressing/publish'
import { type CompressReport, type ForetoldStage, reportOf } from './compressing/report'
import type { Shape } from './compressing/stage'
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
import { canonicalJson } from './training/identity'
import { checkSound } from './training/model_kind'
import { type ModelReader, openReader } from './training/model_reader'

export type { CompressEvent } from './compressing/pipeline'
export type { StageRecord } from './compressing/records'
export type { RemovedHead } from './compressing/removed_heads'
export type { CompressReport, ForetoldStage } from './compressing/report'

export interface CompressOptions extends ConfiguredOptions<CompressProgress> {
  /** Called where a run that is stopped has left something to go on with. */
  onKept?: (() => void) | undefined
}

/** Of the work within a stage, and of measuring. */
export type CompressProgress = LabelledProgress

/** What a compression ends with. */
export interface CompressResult<Report = CompressReport | CompressPlanReport> {
  /** The model folder, or for a dry run where it would be. */
  model: string
  /** As in report.json; of a dry run what is foretold. */
  report: Report
}

/** What each stage of a compression would leave, and what the run takes. */
export interface CompressPlanReport {
  /** Nothing was written. */
  dry_run: true
  /** The model as it is given, then what each stage will leave. */
  stages: ForetoldStage[]
  /** Of all folders that are there at once. */
  disk_bytes: number
  /** Of the process at its most, what a technique computes beside the model left out; and the stage that needs it. */
  memory_bytes: number
  /** Name of the stage that needs it. */
  memory_stage: string
}

/** A compression: iterate over its events, await its `result`. */
export type CompressRun<Report = CompressReport | CompressPlanReport> = Run<
  CompressEvent,
  CompressResult<Report>
>

/**
 * Compresses a model as a YAML file or an object says (docs/compress.md). Same machine, build and config: the same
 * bytes, also when it was stopped and resumed. Iterate over the events, await `result`. Throws ERR_CONFIG, ERR_DATA,
 * ERR_EXISTS, ERR_BUSY, ERR_CHECKPOINT, ERR_NO_SPACE, ERR_OUT_OF_MEMORY, and what training throws.
 */
export function compress(
  config: string | object,
  options?: FullRun<CompressOptions>,
): CompressRun<CompressReport>
/** What it would do: nothing is done. */
export function compress(
  config: string | object,
  options: DryRun<CompressOptions>,
): CompressRun<CompressPlanReport>
/** Either, as the options say. */
export function compress(config: string | object, options?: CompressOptions): CompressRun
export function compress(config: string | object, options: CompressOptions = {}): CompressRun {
  return startRun('compress', options, RESUMABLE, (context) => runCompress(config, options, context))
}

type Context = RunContext<CompressEvent>

/** Everything that is known before the first weight is read. */
interface Plan {
  config: CompressConfig
  file: string
  original: ModelAtHand
  means: Means
  start: Shape
  stages: PlannedStage[]
  /** Files and folders that are read. */
  inputs: (string | undefined)[]
}

async function runCompress(
  source: string | object,
  options: CompressOptions,
  context: Context,
): Promise<CompressResult> {
  const { resume = false, overwrite = false, dryRun = false, onWarning: warn = () => {} } = options
  const plan = await planCompress(source, options.overrides ?? [], warn)
  const folder = new CompressFolder(plan.config, plan.inputs)
  await folder.check({ resume, overwrite })
  const { folder: files, spec } = plan.original
  // Weights alone need no tokenizer and no front end.
  const reads = sourcesOf(plan.config).length > 0
  const reader = reads ? await openReader(files, spec, plan.config, context.signal) : undefined
  const needs = await needsOf(plan.config, plan.start, plan.stages)
  if (dryRun) return { model: folder.model, report: planReport(plan, needs) }
  return folder.hold(warn, async (replaces) => {
    if (replaces) await folder.clear()
    await checkNeeds(folder.path, needs, warn)
    return compressIn(folder, plan, reader, { ...options, ...context })
  })
}

/** The report of the run that ended with this hash, where other texts or counts have not changed what it tells since. */
async function finishedBefore(
  folder: CompressFolder,
  hash: string,
  { stages }: CompressReport,
): Promise<CompressReport | undefined> {
  const before = (await folder.result(hash)) as CompressReport | undefined
  return before && canonicalJson(before.stages) === canonicalJson(stages) ? before : undefined
}

async function planCompress(
  source: string | object,
  overrides: readonly string[],
  warn: (message: string) => void,
): Promise<Plan> {
  const { config: given, file } = await readCompressConfig(source, overrides)
  const folder = await openModelFolder(given.model)
  const spec = modelSpec(folder.config, folder.configFile)
  const dtype = given.dtype ?? (await keptDtype(folder, spec, warn))
  const means = { dtype, threads: given.threads }
  const config = { ...given, dtype, ...(spec.kind === 'speech' && { sound: given.sound ?? {} }) }
  checkMeasurable(config, spec, file)
  const original = ModelAtHand.of(folder, means)
  const start = { spec: original.spec, zeros: 0 }
  const stages = planStages(config, file, start)
  checkSound(spec, config, asksLoss(config, stages))
  const trainings = await checkTrainings(stages, config, file)
  await checkSources(sourcesOf(config), config)
  return { config, file, original, means, start, stages, inputs: inputsOf(config, trainings) }
}

function planReport(
  { config, start, stages }: Plan,
  { disk_bytes, memory_bytes, memory }: Needs,
): CompressPlanReport {
  const figures = (shape: Shape) => foretoldFigures(shape, config) ?? { unknown: shape.unknown! }
  return {
    dry_run: true,
    stages: [
      { stage: '00-start', method: 'start', key: 'model', ...figures(start) },
      ...stages.map(({ name, key, config: { method }, after }) => ({
        stage: name,
        method,
        key,
        ...figures(after),
      })),
    ],
    disk_bytes,
    memory_bytes,
    memory_stage: memory.stage,
  }
}

async function compressIn(
  folder: CompressFolder,
  { config, file, original, means, stages }: Plan,
  reader: ModelReader | undefined,
  given: CompressOptions & Context,
): Promise<CompressResult> {
  const { signal, emit, onWarning: warn = () => {}, onProgress, onKept = () => {} } = given
  const identity = new Identity(config, original.folder, means.dtype, signal)
  const heldOut = config.evaluate && (await HeldOut.open(config, reader!, { signal, onWarning: warn }))
  try {
    const dtypeKeys = { [dtypeKey(original.folder.config)]: means.dtype }
    const session: Session = {
      ...{ config, file, folder, identity, means, original, reader, heldOut, dtypeKeys },
      lastCalibrated: stages.findLast(calibrates)?.number ?? 0,
      evaluation: await identity.evaluation(),
      ...{ signal, emit, warn, onProgress, onKept },
    }
    const outcome = await runStages(session)
    try {
      const told = reportOf(folder, outcome)
      const finished = outcome.found === stages.length && (await finishedBefore(folder, outcome.hash, told))
      const report = finished || told
      const ending = { config, model: outcome.model, original: original.folder.path, report }
      if (finished)
        await folder.writeReport(report) // an end by force may have come before it
      else await publish(folder, { ...ending, inputs: identity.inputs })
      if (config.keep === 'last') await folder.tidy(stages.at(-1)!.name)
      return { model: folder.model, report }
    } finally {
      outcome.model.release()
    }
  } finally {
    await heldOut?.close()
  }
}
