import type { EvaluatePlanReport, EvaluateReport, EvaluationRow, TaskRecord } from '../index'
import { resumable } from './interruption'
import { library } from './library'
import { integer, JSON_OPTION, number, oneOf, pick, THREADS_OPTION, usageError } from './options'
import { factsText, jsonText, tableText } from './print'
import { defineVerb } from './verb'

interface Values {
  tasks?: string[]
  data?: string
  out?: string
  limit?: number
  numFewshot?: number
  fewshotSeed?: number
  chatTemplate?: boolean
  fewshotAsMultiturn?: boolean
  systemInstruction?: string
  maxLength?: number
  batchTokens?: number
  maxNewTokens?: number
  temperature?: number
  judgeModel?: string
  judgeUrl?: string
  device?: string
  dtype?: string
  threads?: number
  dryRun?: boolean
  resume?: boolean
  overwrite?: boolean
}

export default defineVerb<Values>({
  name: 'evaluate',
  summary: 'measure models on benchmarks, as lm-evaluation-harness does',
  arguments: [
    {
      name: '<models...>',
      description:
        'model folders or run folders, or NAME=FOLDER; the first is compared with. Or a YAML file with all of it, then key.path=value',
    },
  ],
  options: [
    {
      flags: '--tasks <names>',
      description: 'tasks and groups, or task files of your own, *.yaml; commas between them',
      parse: (text) => text.split(',').map((name) => name.trim()),
    },
    { flags: '--data <folder>', description: 'the folder with the data sets; default: this one' },
    { flags: '--out <folder>', description: 'run folder: report.json, results.jsonl, samples/' },
    { flags: '--limit <n>', description: 'the first n documents of each task; default: all', parse: integer },
    {
      flags: '--num-fewshot <n>',
      description: 'examples before each question; default: as the task says',
      parse: integer,
    },
    { flags: '--fewshot-seed <n>', description: 'of the draw of examples; default: 1234', parse: integer },
    { flags: '--chat-template', description: "put questions into the model's chat template" },
    { flags: '--fewshot-as-multiturn', description: 'with --chat-template: examples are turns of their own' },
    {
      flags: '--system-instruction <text>',
      description: 'a text before all else, or the turn of the system',
    },
    {
      flags: '--max-length <n>',
      description: 'longest text in tokens; default: the positions of the model',
      parse: integer,
    },
    {
      flags: '--batch-tokens <n>',
      description: 'tokens that go through a model at once; default: by the device',
      parse: integer,
    },
    {
      flags: '--max-new-tokens <n>',
      description: 'longest answer of tasks whose answers the model writes; default: as the task says',
      parse: integer,
    },
    {
      flags: '--temperature <t>',
      description: 'of these answers; 0: always the most probable token; default: as the task says',
      parse: number,
    },
    {
      flags: '--judge-model <name>',
      description: 'who rates the answers to mt_bench and vicuna; its key: OPENAI_API_KEY',
    },
    {
      flags: '--judge-url <url>',
      description: 'an OpenAI-compatible endpoint that knows it; default: https://api.openai.com/v1',
    },
    { flags: '--device <device>', description: 'cpu (default), cuda or cuda:N: a GPU, in a build for CUDA' },
    {
      flags: '--dtype <dtype>',
      description: 'float32 (default), bfloat16 or float16',
      parse: oneOf('float32', 'bfloat16', 'float16'),
    },
    THREADS_OPTION,
    { flags: '--dry-run', description: 'check everything and count documents, requests and tokens' },
    { flags: '--resume', description: 'keep the tasks that are measured and as they were, else start' },
    { flags: '--overwrite', description: 'replace the run folder' },
    JSON_OPTION,
  ],
  examples: [
    'evaluate path/to/model --tasks arc_easy,hellaswag --data path/to/data --out runs/scores',
    'evaluate before=llama after=runs/cp --tasks tmmluplus --num-fewshot 5 --data path/to/data --out runs/scores --resume',
    'evaluate evaluation.yaml judge.concurrency=8',
  ],
  async run([given], values, io) {
    const { evaluate } = library()
    const { source, overrides } = sourceOf(given, values)
    let note: string | undefined
    const report = await resumable(async (onKept) => {
      const run = evaluate(source, {
        overrides,
        ...pick(values, ['dryRun', 'resume', 'overwrite']),
        ...{ signal: io.signal, onKept, onWarning: io.say },
        onProgress: (progress) => io.progress.update({ ...progress, note }),
      })
      for await (const record of run) note = noteOf(record)
      return run.result
    })
    io.progress.end()
    io.write(io.json ? jsonText(report) : reportText(report))
    return 0
  },
})

/** A config file, or models alone, and what arguments and flags set over it. */
function sourceOf(
  given: readonly string[],
  values: Values,
): { source: string | object; overrides: string[] } {
  const flags = Object.entries(keysOf(values)).map(([key, value]) => `${key}=${JSON.stringify(value)}`)
  const [first, ...rest] = given as [string, ...string[]]
  if (/\.ya?ml$/.test(first)) return { source: first, overrides: [...rest, ...flags] }
  for (const flag of ['tasks', 'out'] as const)
    if (values[flag] === undefined)
      throw usageError(`--${flag}: expected it beside models, received none`, EXAMPLE)
  return { source: { models: given.map(modelOf) }, overrides: flags }
}

const EXAMPLE = 'tongueforge evaluate path/to/model --tasks arc_easy --data path/to/data --out runs/scores'

/** By the key of the config that each flag sets. */
function keysOf(values: Values): Record<string, unknown> {
  return {
    ...pick(values, ['tasks', 'data', 'out', 'limit', 'device', 'dtype', 'threads']),
    ...(values.numFewshot !== undefined && { num_fewshot: values.numFewshot }),
    ...(values.fewshotSeed !== undefined && { fewshot_seed: values.fewshotSeed }),
    ...(values.chatTemplate && { chat_template: true }),
    ...(values.fewshotAsMultiturn && { fewshot_as_multiturn: true }),
    ...(values.systemInstruction !== undefined && { system_instruction: values.systemInstruction }),
    ...(values.maxLength !== undefined && { max_length: values.maxLength }),
    ...(values.batchTokens !== undefined && { batch_tokens: values.batchTokens }),
    ...(values.maxNewTokens !== undefined && { 'generation.max_new_tokens': values.maxNewTokens }),
    ...(values.temperature !== undefined && { 'generation.temperature': values.temperature }),
    ...(values.judgeModel !== undefined && { 'judge.model': values.judgeModel }),
    ...(values.judgeUrl !== undefined && { 'judge.url': values.judgeUrl }),
  }
}

/** `NAME=FOLDER`, or a folder; a path that has an equals sign in it needs a name. */
function modelOf(given: string): object {
  const [, name, path] = /^([A-Za-z0-9][\w.-]*)=(.+)$/s.exec(given) ?? []
  return path === undefined ? { path: given } : { name, path }
}

/** `llama: arc_easy acc 0.412`. */
function noteOf({ model, task, metrics }: TaskRecord): string {
  const [name, { value }] = Object.entries(metrics)[0]!
  return `${model}: ${task} ${name} ${value?.toPrecision(3) ?? '-'}`
}

function reportText(report: EvaluateReport | EvaluatePlanReport): string {
  if ('dry_run' in report) return tableText(report.tasks.map((line) => ({ ...line })))
  const { results, measured, judged, seconds } = report
  const several = report.models.length > 1
  const found = languagesText(report)
  return `${tableText(results.map((row) => lineOf(row, several)))}\n${found}${factsText({ measured, judged, seconds })}`
}

/** `en 0.9, zh-Hant 0.09`: of answers where a language was expected, the shares of the languages that they were in. */
function languagesText({ languages }: EvaluateReport): string {
  if (languages === undefined) return ''
  const share = (count: number, answers: number) => Number((count / answers).toPrecision(2))
  const lines = languages.map(({ task, model, expected, answers, found }) => {
    const all = Object.entries(found).map(([language, count]) => `${language} ${share(count, answers)}`)
    return { task, model, expected, answers, found: all.slice(0, 5).join(', ') }
  })
  return `${tableText(lines)}\n`
}

function lineOf(row: EvaluationRow, several: boolean): Record<string, unknown> {
  const { task, metric, model, value, stderr, num_fewshot, documents, difference } = row
  const line = { task, shots: num_fewshot, documents, metric, model, value, stderr }
  if (!several) return line
  const [low, high] = difference?.interval ?? []
  const interval = low === undefined ? undefined : `${signed(low)} to ${signed(high!)}`
  return { ...line, difference: difference && signed(difference.value), '95 % interval': interval }
}

const signed = (value: number) => `${value < 0 ? '' : '+'}${Number(value.toPrecision(3))}`
