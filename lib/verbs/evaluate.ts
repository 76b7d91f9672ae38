/** How well models answer: load -> plan -> run -> save -> report. Tasks: lib/tasks. Docs: docs/evaluate.md. */
import { provenance } from '../checkpoint/provenance'
import { jsonText } from '../checkpoint/write_folder'
import type { EvaluateConfig } from '../config/evaluate'
import { answersOf } from './evaluating/answer'
import { type Identities, identitiesOf } from './evaluating/identities'
import { type KeptAnswers, readAnswers, writeAnswers } from './evaluating/kept_answers'
import { type MeasureOptions, measured, type Sample } from './evaluating/measure'
import type { OpenGenerationTask, OpenTask } from './evaluating/open_task'
import { PartialAnswers } from './evaluating/partial_answers'
import { languageTallies, partsOf } from './evaluating/parts'
import {
  askedOfModel,
  type ForetoldTask,
  foretell,
  type Plan,
  type PlannedModel,
  planEvaluation,
  readEvaluateConfig,
  remarksOn,
} from './evaluating/plan'
import { keyOf, metricsOf, type TaskRecord, TaskRecords } from './evaluating/record'
import { type EvaluateReport, reportOf } from './evaluating/report'
import { measuredAnswers } from './evaluating/written'
import { type JudgedAnswers, judgeAnswers } from './judging/judge'
import { loadDecoder } from './load_decoder'
import type { Model } from './model'
import {
  type ConfiguredOptions,
  type DryRun,
  type FullRun,
  type LabelledProgress,
  RESUMABLE,
  type Run,
  startRun,
} from './run'
import { ClaimedFolder } from './training/claimed_folder'
import { numerics } from './training/environment'
import { taskFiles } from './training/read_paths'

export type { Difference } from './evaluating/compare'
export type { LanguageTally, PartRecord } from './evaluating/parts'
export type { ForetoldTask } from './evaluating/plan'
export type { MetricValue, TaskRecord } from './evaluating/record'
export type { EvaluateReport, EvaluationRow } from './evaluating/report'

export interface EvaluateOptions extends ConfiguredOptions<EvaluateProgress> {
  /** Called where a run that is stopped has left something to go on with. */
  onKept?: (() => void) | undefined
}

/** Of the requests of one task; the label has model and task. */
export type EvaluateProgress = LabelledProgress

export interface EvaluatePlanReport {
  dry_run: true
  tasks: ForetoldTask[]
}

/** An evaluation: iterate over its tasks, await its `result`. */
export type EvaluateRun<Report = EvaluateReport | EvaluatePlanReport> = Run<TaskRecord, Report>

/**
 * Measures models on tasks with given answers, and the perplexity of texts, as lm-evaluation-harness does it; as a YAML
 * file or an object says. Several models share the data and are compared with the first. Iterate over what is found,
 * await `result`. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA, ERR_TEMPLATE, ERR_EXISTS, ERR_BUSY, ERR_NO_SPACE.
 */
export function evaluate(
  config: string | object,
  options?: FullRun<EvaluateOptions>,
): EvaluateRun<EvaluateReport>
/** What it would do: nothing is done. */
export function evaluate(
  config: string | object,
  options: DryRun<EvaluateOptions>,
): EvaluateRun<EvaluatePlanReport>
/** Either, as the options say. */
export function evaluate(config: string | object, options?: EvaluateOptions): EvaluateRun
export function evaluate(config: string | object, options: EvaluateOptions = {}): EvaluateRun {
  return startRun('evaluate', options, RESUMABLE, (context) =>
    runEvaluation(config, { ...options, ...context }),
  )
}

interface Work extends EvaluateOptions {
  emit: (record: TaskRecord) => void
  signal: AbortSignal
}

async function runEvaluation(
  source: string | object,
  work: Work,
): Promise<EvaluateReport | EvaluatePlanReport> {
  const { resume = false, overwrite = false, dryRun = false, onWarning: warn = () => {}, signal } = work
  const { config, file } = await readEvaluateConfig(source, work.overrides ?? [])
  const folder = new ClaimedFolder(config, inputsOf(config))
  await folder.check({ resume, overwrite })
  const plan = await planEvaluation(config, file, signal)
  remarksOn(plan).forEach(warn)
  if (dryRun) return { dry_run: true, tasks: await foretell(plan, signal) }
  return folder.hold(warn, async (replaces) => {
    if (replaces) await folder.clear()
    return evaluateIn(folder, plan, work)
  })
}

const inputsOf = ({
  models,
  tasks,
  data,
  judge,
  scorers,
  language_model,
}: EvaluateConfig): (string | undefined)[] => [
  ...models.flatMap(({ path, adapter }) => [path, adapter]),
  ...[data, judge?.prompts, judge?.baseline, language_model],
  ...taskFiles(tasks),
  ...Object.values(scorers).flatMap((scorer) => [scorer?.model, scorer?.lexicon]),
]

async function evaluateIn(
  folder: ClaimedFolder<EvaluateConfig>,
  plan: Plan,
  work: Work,
): Promise<EvaluateReport> {
  const start = performance.now()
  const identities = await identitiesOf(plan, work.signal)
  const records = new TaskRecords(folder.path)
  await folder.writeConfig() // first: without it a folder is no run that can be gone on with
  await records.open(identities.hashes)
  let count = 0
  for (const [number, model] of plan.models.entries())
    count += await runModel(model, number * plan.tasks.length, plan, records, identities, work)
  const judged = await judge(plan, records, folder.path, work)
  const asked = judged && { judged: judged.reduce((sum, one) => sum + one.asked, 0) }
  const session = { measured: count, ...asked, seconds: (performance.now() - start) / 1000 }
  const report = await reportOf(plan, records, folder.path, session, judged ?? [])
  await save(folder, plan, identities, report)
  return report
}

/** The tasks of one model that are not there yet; resolves with how many. */
async function runModel(
  planned: PlannedModel,
  firstStep: number,
  plan: Plan,
  records: TaskRecords,
  identities: Identities,
  work: Work,
): Promise<number> {
  const missing = plan.tasks.filter(({ task }) => records.find(planned.name, task.name) === undefined)
  await using model = new LoadedOnce(() => loaded(planned, plan.config, work))
  for (const opened of missing) {
    work.signal.throwIfAborted()
    const start = performance.now()
    const { name: task, version } = opened.task
    const key = keyOf(planned.name, task)
    const kept = { file: records.answersFile(planned.name, task), hash: identities.answers.get(key)! }
    const { samples, requests, tokens, nearer } = await samplesOf(
      model,
      planned,
      opened,
      kept,
      plan.config,
      work,
    )
    const record: TaskRecord = {
      ...{ step: firstStep + plan.tasks.indexOf(opened), model: planned.name, task, version },
      ...{ num_fewshot: opened.num_fewshot, documents: samples.length, requests, tokens },
      ...{ metrics: metricsOf(opened, samples), ...nearer },
      inputs_sha256: identities.hashes.get(key)!,
      seconds: (performance.now() - start) / 1000,
    }
    await records.add(record, samples)
    work.onKept?.()
    work.emit(record)
  }
  return missing.length
}

/** What there is to judge, once all answers are written; undefined where no judge is asked. */
async function judge(
  { judging, models }: Plan,
  records: TaskRecords,
  folder: string,
  { signal, onWarning, onProgress, onKept, emit }: Work,
): Promise<JudgedAnswers[] | undefined> {
  if (judging === undefined) return undefined
  const names = models.map(({ name }) => name)
  const all: JudgedAnswers[] = []
  for await (const one of judgeAnswers(judging, names, folder, { signal, onWarning, onProgress, onKept })) {
    all.push(one)
    const { model, task, judge, figures: metrics, seconds } = one
    emit({ ...records.find(model, task)!, metrics, seconds, judge })
  }
  return all
}

/** Weights that are loaded by the first who asks for them. */
class LoadedOnce {
  #model: Promise<Model> | undefined

  constructor(private readonly load: () => Promise<Model>) {}

  get(): Promise<Model> {
    this.#model ??= this.load()
    return this.#model
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#model?.catch(() => undefined))?.dispose()
  }
}

function loaded({ path, adapter, name }: PlannedModel, config: EvaluateConfig, work: Work): Promise<Model> {
  const { device, dtype, threads } = config
  return loadDecoder(path, {
    ...{ adapter, device, dtype, threads, signal: work.signal },
    onProgress: ({ done_bytes, total_bytes }) =>
      work.onProgress?.({ label: `${name}: loading`, done: done_bytes, total: total_bytes }),
  })
}

interface Measured {
  samples: Sample[]
  requests: number
  /** Foretold, or written. */
  tokens: number
  /** Of answers that were written. */
  nearer?: Pick<TaskRecord, 'parts' | 'languages'>
}

async function samplesOf(
  model: LoadedOnce,
  planned: PlannedModel,
  opened: OpenTask,
  kept: KeptAnswers,
  config: EvaluateConfig,
  work: Work,
): Promise<Measured> {
  const label = `${planned.name}: ${opened.task.name}`
  const options: MeasureOptions = {
    signal: work.signal,
    onProgress: ({ done, total }) => work.onProgress?.({ label, done, total }),
  }
  if (opened.kind === 'generation') return written(model, planned, opened, kept, config, options, work)
  const asked = await askedOfModel(opened, planned, config)
  const samples = await measured(await model.get(), asked, config.batch_tokens, options)
  const all = asked.flatMap(({ requests }) => requests)
  const tokens = all.reduce((sum, { ids, firstTarget }) => sum + ids.length - firstTarget, 0)
  return { samples, requests: all.length, tokens }
}

/** Answers that are there already are only measured. */
async function written(
  model: LoadedOnce,
  planned: PlannedModel,
  opened: OpenGenerationTask,
  kept: KeptAnswers,
  config: EvaluateConfig,
  options: MeasureOptions,
  { signal, onKept, onProgress, onWarning }: Work,
): Promise<Measured> {
  let turns = await readAnswers(kept)
  if (turns === undefined) {
    const partial = await PartialAnswers.open(kept, onKept)
    turns = await answersOf(await model.get(), planned, opened, config, partial, options)
    await writeAnswers(kept, turns)
    await partial.end()
  }
  const { task } = opened
  const samples = await measuredAnswers(opened, turns, {
    ...{ task, config, signal, onWarning },
    onProgress: (what, progress) =>
      onProgress?.({ label: `${planned.name}: ${task.name}: ${what}`, ...progress }),
  })
  const [parts, languages] = [partsOf(opened, samples), languageTallies(samples)]
  const all = turns.flat()
  return {
    ...{ samples, requests: all.length, tokens: all.reduce((sum, turn) => sum + turn.tokens, 0) },
    nearer: { ...(parts.length > 0 && { parts }), ...(languages.length > 0 && { languages }) },
  }
}

async function save(
  folder: ClaimedFolder<EvaluateConfig>,
  { config }: Plan,
  { inputs }: Identities,
  report: EvaluateReport,
): Promise<void> {
  const made = { ...numerics(config), device: config.device }
  await folder.write('provenance.json', jsonText(provenance('evaluate', inputs, made)))
  await folder.writeReport(report)
}
