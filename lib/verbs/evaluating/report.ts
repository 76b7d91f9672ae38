/** What an evaluation ends with: a row for each task, metric and model, and what differs from the first model. */

import { type Part, pooled } from '../../tasks/metrics'
import type { JudgedAnswers } from '../judging/judge'
import { judgedRows } from '../judging/rows'
import { type Difference, differenceOf } from './compare'
import type { Sample } from './measure'
import type { LanguageTally, PartRecord } from './parts'
import type { Plan } from './plan'
import {
  type MetricValue,
  readAllSamples,
  readSamples,
  samplesFile,
  type TaskRecord,
  type TaskRecords,
} from './record'

/** One figure of one model on one task or group. */
export interface EvaluationRow extends MetricValue {
  /** A task or a group. */
  task: string
  /** Of a group of tasks. */
  group?: true
  /** Of the task. */
  version?: string
  /** Name of the figure. */
  metric: string
  /** As `models` calls it. */
  model: string
  /** Examples before each question. */
  num_fewshot: number
  /** Of the task. */
  documents: number
  /** Who rated, of scores: those of different judges do not compare. */
  judge?: string
  /** From the first model, over the same documents. */
  difference?: Difference
}

/** Every figure of an evaluation, with differences between its models. */
export interface EvaluateReport {
  /** Of this report; another number where keys change their meaning. */
  schema: 'tongueforge.evaluate/1'
  /** In the order of the config: differences are from the first. */
  models: { name: string; path: string }[]
  /** Groups first, then tasks, as they were asked for. */
  results: EvaluationRow[]
  /** Tasks of generation by part: by domain, group or language. */
  parts?: (PartRecord & OfModel)[]
  /** In which languages answers were, by the language that was expected. */
  languages?: (LanguageTally & OfModel)[]
  /** What decides the figures beside models and data. */
  settings: object
  /** Tasks that this session measured; the others were there. */
  measured: number
  /** Judgments that it asked for, where there is a judge. */
  judged?: number
  /** Of this session. */
  seconds: number
}

export interface OfModel {
  task: string
  model: string
}

export async function reportOf(
  plan: Plan,
  records: TaskRecords,
  folder: string,
  session: Pick<EvaluateReport, 'measured' | 'judged' | 'seconds'>,
  answers: readonly JudgedAnswers[],
): Promise<EvaluateReport> {
  const { config, models, tasks, groups } = plan
  const samples = new SampleReader(folder, models.length > 1)
  const ofTask = (name: string) => tasks.find(({ task }) => task.name === name)!
  const rows: EvaluationRow[] = []
  for (const group of groups)
    rows.push(...(await groupRows(group.name, group.tasks.map(ofTask), plan, records, samples)))
  for (const { task } of tasks) {
    rows.push(...judgedRows(task, answers, models[0]!.name))
    rows.push(...(await taskRows(task.name, plan, records, samples)))
  }
  const { limit, num_fewshot, fewshot_seed, chat_template, fewshot_as_multiturn, system_instruction } = config
  const { max_length, add_bos_token, dtype, device, generation, judge } = config
  return {
    schema: 'tongueforge.evaluate/1',
    models: models.map(({ name, path }) => ({ name, path })),
    results: rows,
    ...nearer(plan, records),
    settings: {
      ...{ limit, num_fewshot, fewshot_seed, chat_template, fewshot_as_multiturn, system_instruction },
      ...{ max_length, add_bos_token, dtype, device },
      ...(tasks.some(({ kind }) => kind === 'generation') && { generation }),
      ...(judge && { judge }),
    },
    ...session,
  }
}

/** What the records tell beside their metrics, task by task. */
function nearer({ models, tasks }: Plan, records: TaskRecords): Pick<EvaluateReport, 'parts' | 'languages'> {
  const all = tasks.flatMap(({ task }) => models.map(({ name }) => records.find(name, task.name)!))
  const of = <Row>(rows: (record: TaskRecord) => readonly Row[] | undefined) =>
    all.flatMap((record) =>
      (rows(record) ?? []).map((row) => ({ task: record.task, model: record.model, ...row })),
    )
  const [parts, languages] = [of((record) => record.parts), of((record) => record.languages)]
  return { ...(parts.length > 0 && { parts }), ...(languages.length > 0 && { languages }) }
}

async function taskRows(
  task: string,
  { models }: Plan,
  records: TaskRecords,
  samples: SampleReader,
): Promise<EvaluationRow[]> {
  const [first] = models
  const rows: EvaluationRow[] = []
  for (const { name: model } of models) {
    const record = records.find(model, task)!
    for (const [metric, value] of Object.entries(record.metrics)) {
      const difference =
        model === first!.name ? undefined : await samples.difference(metric, [task], model, first!.name)
      const { version, num_fewshot, documents } = record
      rows.push({
        ...{ task, version, metric, model, ...value, num_fewshot, documents },
        ...(difference && { difference }),
      })
    }
  }
  return byMetric(rows)
}

/** A mean over the documents of all tasks; each counts once. */
async function groupRows(
  group: string,
  opened: readonly Plan['tasks'][number][],
  { models }: Plan,
  records: TaskRecords,
  samples: SampleReader,
): Promise<EvaluationRow[]> {
  const names = opened.map(({ task }) => task.name)
  const rows: EvaluationRow[] = []
  for (const { name: model } of models) {
    const found = names.map((name) => records.find(model, name)!)
    for (const metric of Object.keys(found[0]!.metrics)) {
      const whole = pooledParts(found.flatMap((record) => partOf(record, metric)))
      const first = models[0]!.name
      const difference = model === first ? undefined : await samples.difference(metric, names, model, first)
      rows.push({
        ...{ task: group, group: true, metric, model, ...whole, num_fewshot: found[0]!.num_fewshot },
        ...(difference && { difference }),
      })
    }
  }
  return byMetric(rows)
}

/** None where no document of the task tells anything. */
function partOf({ metrics, documents }: TaskRecord, metric: string): Part[] {
  const { value, stderr, counted = documents } = metrics[metric]!
  return value === null ? [] : [{ value, stderr, documents: counted }]
}

const pooledParts = (parts: readonly Part[]) =>
  parts.length === 0 ? { value: null, stderr: null, documents: 0 } : pooled(parts)

/** Models side by side under each metric. */
function byMetric(rows: readonly EvaluationRow[]): EvaluationRow[] {
  const metrics = [...new Set(rows.map(({ metric }) => metric))]
  return metrics.flatMap((metric) => rows.filter((row) => row.metric === metric))
}

/** Reads samples for comparisons; those of the model that others are compared with are kept. */
class SampleReader {
  readonly #kept = new Map<string, Promise<Sample[]>>()

  constructor(
    private readonly folder: string,
    private readonly keeps: boolean,
  ) {}

  async difference(
    metric: string,
    tasks: readonly string[],
    model: string,
    other: string,
  ): Promise<Difference | undefined> {
    const samples = (of: string) =>
      readAllSamples(
        tasks.map((task) => samplesFile(this.folder, of, task)),
        (file) => this.#read(file),
      )
    return differenceOf(metric, await samples(model), await samples(other))
  }

  #read(file: string): Promise<Sample[]> {
    const known = this.#kept.get(file) ?? readSamples(file)
    if (this.keeps) this.#kept.set(file, known)
    return known
  }
}
