/** Answers that are written are judged: of each model and task what is missing is asked for, and all of it counted. */
import type { OpenQuestion } from '../../tasks/judging/answers'
import { scoresOf } from '../../tasks/judging/scores'
import { readSamples, samplesFile } from '../evaluating/record'
import { type AskOptions, askForMissing } from './ask'
import { type Judgment, Judgments, judgmentsFile, requestOf } from './judgments'
import { type JudgedTask, type JudgingPlan, judgePrompts } from './plan'

/** Of one model on one task. */
export interface JudgedAnswers {
  model: string
  task: string
  judge: string
  judgments: Judgment[]
  figures: ReturnType<typeof scoresOf>
  /** That this session asked for. */
  asked: number
  seconds: number
}

export interface JudgeOptions extends Omit<AskOptions, 'onProgress'> {
  onProgress?: ((progress: { label: string; done: number; total: number }) => void) | undefined
}

/** One after the other, in the order of models and tasks. `folder` has the samples. Throws as askForMissing does. */
export async function* judgeAnswers(
  plan: JudgingPlan,
  models: readonly string[],
  folder: string,
  options: JudgeOptions,
): AsyncGenerator<JudgedAnswers> {
  for (const model of models) {
    if (plan.baseline && 'model' in plan.baseline && plan.baseline.model === model) continue
    for (const task of plan.tasks) yield await judgeOne(plan, task, model, folder, options)
  }
}

async function judgeOne(
  plan: JudgingPlan,
  task: JudgedTask,
  model: string,
  folder: string,
  { onProgress, ...options }: JudgeOptions,
): Promise<JudgedAnswers> {
  const start = performance.now()
  const { model: judge, mode } = plan.config
  const mine = await answersIn(samplesFile(folder, model, task.name))
  const theirs =
    plan.baseline && 'model' in plan.baseline
      ? await answersIn(samplesFile(folder, plan.baseline.model, task.name))
      : undefined
  const prompts = task.questions.flatMap((question: OpenQuestion, i) =>
    judgePrompts(plan, task, question, mine[i]!, theirs?.[i]),
  )
  const requests = prompts.map((prompt) => requestOf(prompt, plan.client.body(prompt.messages)))
  const kept = await Judgments.open(judgmentsFile(folder, model, task.name, { judge, mode }), requests)
  const label = `${model}: ${task.name}, judged`
  const asked = await askForMissing(plan.client, requests, kept, plan.config, {
    ...options,
    onProgress: (progress) => onProgress?.({ label, ...progress }),
  })
  const judgments = await kept.close()
  const seconds = (performance.now() - start) / 1000
  return { model, task: task.name, judge, judgments, figures: scoresOf(judgments), asked, seconds }
}

/** Of each document, without blanks around them, as FastChat keeps them. */
async function answersIn(file: string): Promise<string[][]> {
  const samples = await readSamples(file)
  return samples.map((sample) => ('turns' in sample ? sample.turns.map(({ text }) => text.trim()) : []))
}
