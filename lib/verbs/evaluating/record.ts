/** What was found of each model on each task: a line of results.jsonl, beside the samples that it was made from. */
import { dirname, join } from 'node:path'
import { ioError } from '../../checkpoint/json_file'
import { mean, stderrOfMean } from '../../tasks/metrics'
import type { Task } from '../../tasks/task'
import { readLines } from '../../text/lines'
import { mkdir, replaceFile } from '../../writes'
import { StepLines } from '../training/step_lines'
import { answersFile } from './kept_answers'
import type { RollingSample, Sample } from './measure'
import type { OpenTask } from './open_task'
import type { LanguageTally, PartRecord } from './parts'

/** A figure with its standard error, where there is one. */
export interface MetricValue {
  /** null where no document tells anything. */
  value: number | null
  /** Of the mean over documents; null where there is no such figure. */
  stderr: number | null
  /** Documents that tell something, where some do not. */
  counted?: number
}

/** What a task has told of a model, as a line of results.jsonl. */
export interface TaskRecord {
  /** Number of the line in the table, from 0. */
  step: number
  /** As `models` calls it. */
  model: string
  /** Its name. */
  task: string
  /** Of the task. */
  version: string
  /** Examples before each question. */
  num_fewshot: number
  /** Of the task. */
  documents: number
  /** To the model. */
  requests: number
  /** That were foretold. */
  tokens: number
  /** The first is the one that models are compared by. */
  metrics: Record<string, MetricValue>
  /** The same by part, where the task has parts. */
  parts?: PartRecord[]
  /** In which languages answers were, where the task looks at that. */
  languages?: LanguageTally[]
  /** Of everything that decides the samples: model, data, settings. */
  inputs_sha256: string
  /** That it took. */
  seconds: number
  /** Who rated, where these are figures of judgments. Such records are told, and not kept: the judgments are. */
  judge?: string
}

export const samplesFile = (folder: string, model: string, task: string) =>
  join(folder, 'samples', model, `samples_${task}.jsonl`)

export class TaskRecords {
  private readonly lines: StepLines<TaskRecord>
  #all: TaskRecord[] = []

  constructor(private readonly folder: string) {
    this.lines = new StepLines(join(folder, 'results.jsonl'), 'results')
  }

  /** Takes over what earlier sessions found and is as it was: `hashes` by model and task. */
  async open(hashes: ReadonlyMap<string, string>): Promise<void> {
    const found = await this.lines.keep(Number.POSITIVE_INFINITY)
    this.#all = found.filter(
      ({ model, task, inputs_sha256 }) => hashes.get(keyOf(model, task)) === inputs_sha256,
    )
    await this.lines.write(this.#all)
  }

  find(model: string, task: string): TaskRecord | undefined {
    return this.#all.find((record) => record.model === model && record.task === task)
  }

  answersFile(model: string, task: string): string {
    return answersFile(this.folder, model, task)
  }

  /** The samples first, by a rename: a line is only there with all of them. */
  async add(record: TaskRecord, samples: readonly Sample[]): Promise<void> {
    const file = samplesFile(this.folder, record.model, record.task)
    await mkdir(dirname(file), { recursive: true })
    const text = samples.map((sample) => `${JSON.stringify(sample)}\n`).join('')
    await replaceFile(file, text)
    await this.lines.record(record)
    this.#all.push(record)
  }
}

export const keyOf = (model: string, task: string) => `${model} ${task}`

/** What a task tells, by name. */
export const metricNames = (task: Task): string[] =>
  Object.keys(
    task.kind === 'rolling' ? task.perplexities : task.kind === 'choices' ? task.metrics : task.measures,
  )

/** Of the samples of one model on one task. */
export function metricsOf({ task }: Pick<OpenTask, 'task'>, samples: readonly Sample[]) {
  const told = (name: string): MetricValue =>
    task.kind === 'rolling'
      ? { value: task.perplexities[name]!(samples as readonly RollingSample[]), stderr: null }
      : meanOf(name, samples)
  return Object.fromEntries(metricNames(task).map((name) => [name, told(name)]))
}

/** Over the documents that tell something. */
function meanOf(name: string, samples: readonly Sample[]): MetricValue {
  const told = samples.flatMap((sample) => documentValue(sample, name) ?? [])
  return {
    value: told.length === 0 ? null : mean(told),
    stderr: stderrOfMean(told),
    ...(told.length < samples.length && { counted: told.length }),
  }
}

/** By metric; null where a document tells nothing. */
export const documentValue = (sample: Sample, metric: string): number | null =>
  'values' in sample ? (sample.values[metric] ?? null) : null

/** The samples of several tasks, one after another: more than the arguments of one call can be. */
export async function readAllSamples(files: readonly string[], read = readSamples): Promise<Sample[]> {
  const all: Sample[][] = []
  for (const file of files) all.push(await read(file))
  return all.flat()
}

/** The samples of a task, as they were written. Throws ERR_NOT_FOUND, ERR_IO. */
export async function readSamples(file: string): Promise<Sample[]> {
  const samples: Sample[] = []
  try {
    for await (const { text } of readLines(file, { maxBytes: Number.POSITIVE_INFINITY }))
      samples.push(JSON.parse(text) as Sample)
  } catch (error) {
    throw ioError(file, error as NodeJS.ErrnoException)
  }
  return samples
}
