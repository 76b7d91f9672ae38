/** What is known of a judge before the first answer is written: templates, references, the baseline, the key. */
import { isAbsolute, join } from 'node:path'
import type { EvaluateConfig } from '../../config/evaluate'
import type { JudgeConfig } from '../../config/judge'
import { configError, keyError } from '../../config/parse'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { stat } from '../../files'
import { type Answers, type OpenQuestion, openQuestion, readAnswers } from '../../tasks/judging/answers'
import { instructionOf, type JudgePrompt, promptsOf } from '../../tasks/judging/prompt'
import { JudgeTemplates } from '../../tasks/judging/templates'
import type { OpenGenerationTask, OpenTask } from '../evaluating/open_task'
import { JudgeClient } from './client'

/** A task whose answers a judge looks at. */
export interface JudgedTask {
  name: string
  questions: readonly OpenQuestion[]
  references: Answers | undefined
  /** What the judge is told beyond its templates. */
  instruction: string | undefined
  /** Requests for each model. */
  requests: number
}

export interface JudgingPlan {
  config: JudgeConfig
  client: JudgeClient
  templates: JudgeTemplates
  tasks: JudgedTask[]
  /** Pairwise: the model that the others are compared with, or its answers. */
  baseline: { model: string } | { answers: Answers } | undefined
  /** All that was read. */
  files: string[]
}

interface Known {
  tasks: readonly OpenTask[]
  /** Names of the models. */
  models: readonly string[]
  file: string
}

/** undefined where no judge is asked. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_DATA. */
export async function planJudging(
  { judge, data }: EvaluateConfig,
  { tasks, models, file }: Known,
  signal: AbortSignal,
): Promise<JudgingPlan | undefined> {
  if (judge === undefined) return undefined
  const judged = tasks.filter(isJudged)
  if (judged.length === 0) throw nothingToJudge(file)
  const client = JudgeClient.open(judge, file)
  const prompts = judge.prompts ?? (await templatesIn(data))
  const templates = await JudgeTemplates.read(prompts, judge.mode, signal)
  const baseline = judge.mode === 'pairwise' ? baselineOf(judge, models, file) : noBaseline(judge, file)
  const answers = baseline && 'file' in baseline ? await readAnswers(baseline.file, signal) : undefined
  const plan: JudgingPlan = {
    ...{ config: judge, client, templates, tasks: [] },
    baseline: answers ? { answers } : (baseline as { model: string } | undefined),
    files: [prompts, ...(baseline && 'file' in baseline ? [baseline.file] : [])],
  }
  for (const opened of judged) await addTask(plan, opened, { data, file, signal })
  return plan
}

type JudgedOpenTask = OpenGenerationTask & {
  task: { judged: NonNullable<OpenGenerationTask['task']['judged']> }
}

const isJudged = (opened: OpenTask): opened is JudgedOpenTask =>
  opened.kind === 'generation' && opened.task.judged !== undefined

/** The task's own language is stronger. */
function instructionFor(
  judge: JudgeConfig,
  languageOfTask: string | undefined,
  file: string,
): string | undefined {
  const { instruction } = judge
  const language = languageOfTask ?? judge.language
  if (language !== undefined || !instruction?.includes('{language}'))
    return instructionOf({ language, instruction })
  throw configError(
    file,
    'judge.language: expected a language, as judge.instruction names it, received nothing',
    { key: 'judge.language' },
  )
}

/** Makes every prompt once, around answers that nobody has given: what is missing is found before hours of writing. */
async function addTask(
  plan: JudgingPlan,
  { task, docs }: JudgedOpenTask,
  { data, file: config, signal }: { data: string; file: string; signal: AbortSignal },
): Promise<void> {
  const questions = docs.map(openQuestion)
  const instruction = instructionFor(plan.config, task.judged.language, config)
  const file = await firstOf(data, task.judged.references)
  const references = file === undefined ? undefined : await readAnswers(file, signal)
  if (file !== undefined) plan.files.push(file)
  const judged: JudgedTask = { name: task.name, questions, references, instruction, requests: 0 }
  try {
    for (const question of questions) {
      const nobody = question.turns.map(() => '')
      judged.requests += judgePrompts(plan, judged, question, nobody, nobody).length
    }
  } catch (error) {
    const { code, message, hint } = toTongueforgeError(error)
    const looked = task.judged.references.map((path) => below(data, path)).join(', ')
    const where = file ?? `no file of references (${looked || 'the task file names none'})`
    throw new TongueforgeError(code, `${task.name}: ${message}`, {
      hint: `${hint} Read: ${plan.files[0]}, ${where}.`,
      cause: error,
    })
  }
  plan.tasks.push(judged)
}

/** Requests of a judge of one model on one task: none of the model that the others are compared with. */
export function judgmentsWanted({ tasks, baseline }: JudgingPlan, model: string, task: string): number {
  if (baseline && 'model' in baseline && baseline.model === model) return 0
  return tasks.find(({ name }) => name === task)?.requests ?? 0
}

/** What the judge is asked of one question; `baseline`: answers of the model that is the baseline. Throws ERR_DATA. */
export function judgePrompts(
  { config, templates, baseline }: JudgingPlan,
  { references, instruction }: JudgedTask,
  question: OpenQuestion,
  answer: readonly string[],
  ofBaseline: readonly string[] | undefined,
): JudgePrompt[] {
  const reference = references?.get(question.id)
  if (config.mode === 'single') return promptsOf(question, answer, { reference }, templates, instruction)
  const other = baseline && 'answers' in baseline ? answersTo(question, baseline.answers, config) : ofBaseline
  return promptsOf(question, answer, { reference, baseline: other }, templates, instruction)
}

function answersTo(
  { id, turns }: OpenQuestion,
  answers: Answers,
  { baseline }: JudgeConfig,
): readonly string[] {
  const found = answers.get(id) ?? []
  if (found.length >= turns.length) return found
  throw new TongueforgeError(
    'ERR_DATA',
    `${baseline}: question ${id}: expected answers to ${turns.length} turns, found ${found.length}`,
    { hint: 'judge.baseline names answers to the same questions.', details: { question_id: id } },
  )
}

function noBaseline({ baseline }: JudgeConfig, file: string): undefined {
  if (baseline === undefined) return undefined
  throw configError(file, `judge.baseline: expected none with mode: single, received ${baseline}`, {
    hint: 'judge.mode: pairwise compares with it.',
    key: 'judge.baseline',
  })
}

/** The first model is the usual one. */
function baselineOf(
  { baseline }: JudgeConfig,
  models: readonly string[],
  file: string,
): { model: string } | { file: string } {
  if (baseline !== undefined && !models.includes(baseline) && /\.jsonl?$/.test(baseline))
    return { file: baseline }
  const model = baseline ?? models[0]!
  const refused = (problem: string, hint: string) => keyError(file, 'judge.baseline', problem, hint)
  if (!models.includes(model))
    throw refused(
      `expected a model or a file of answers, *.jsonl, received ${model}`,
      `Models: ${models.join(', ')}.`,
    )
  if (models.length === 1)
    throw refused(
      'expected something to compare with, received one model',
      'Give a second model, or a file of answers.',
    )
  return { model }
}

const below = (data: string, path: string) => (isAbsolute(path) ? path : join(data, path))

const PROMPTS = ['judge_prompts.jsonl', 'llm_judge/judge_prompts.jsonl']

async function templatesIn(data: string): Promise<string> {
  const found = await firstOf(data, PROMPTS)
  if (found !== undefined) return found
  throw new TongueforgeError(
    'ERR_NOT_FOUND',
    `${join(data, PROMPTS[0]!)}: expected the templates of a judge's prompts, as FastChat has them, found none`,
    {
      hint: 'Copy fastchat/llm_judge/data/judge_prompts.jsonl of that project there, or name a file: judge.prompts.',
      details: { file: join(data, PROMPTS[0]!) },
    },
  )
}

async function firstOf(data: string, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths.map((one) => below(data, one)))
    if (
      await stat(path).then(
        (entry) => entry.isFile(),
        () => false,
      )
    )
      return path
  return undefined
}

const nothingToJudge = (file: string) =>
  configError(file, 'judge: expected a task with something to judge, received none', {
    hint: 'Add mt_bench or vicuna to the tasks, or leave judge out.',
    key: 'judge',
  })
