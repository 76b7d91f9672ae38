/** From a question and its answers to what a judge reads: the protocol of FastChat's llm_judge (arXiv 2306.05685). */
import { TongueforgeError } from '../../errors'
import type { OpenQuestion } from './answers'
import type { JudgeTemplate, JudgeTemplates } from './templates'

/** Which of two answers is shown first: that of the model, or that of the baseline. */
export type Order = 'model_first' | 'baseline_first'

export interface JudgeMessage {
  role: 'system' | 'user'
  content: string
}

/** One question to the judge. */
export interface JudgePrompt {
  question_id: string
  category: string
  /** From 1. */
  turn: 1 | 2
  /** Of pairs alone. */
  order?: Order
  /** Of the template. */
  template: string
  messages: JudgeMessage[]
}

/** What stands beside an answer: another one to compare it with, the right one. */
export interface Beside {
  /** Pairwise: a prompt for each order. */
  baseline?: readonly string[] | undefined
  reference?: readonly string[] | undefined
}

/** What a judge is asked of one question: each turn, and of pairs both orders. Throws ERR_DATA. */
export function promptsOf(
  question: OpenQuestion,
  answer: readonly string[],
  { baseline, reference }: Beside,
  templates: JudgeTemplates,
  instruction: string | undefined,
): JudgePrompt[] {
  const turns = ([1, 2] as const).slice(0, question.turns.length)
  return turns.flatMap((turn) => {
    const template = templates.of(question.category, turn)
    const { id: question_id, category } = question
    const row = { question_id, category, turn, template: template.name }
    const shared = { ...questionFields(question, turn), ...referenceFields(question, template, reference) }
    const messages = (fields: Readonly<Record<string, string>>) =>
      messagesOf(template, { ...shared, ...fields }, instruction)
    if (baseline === undefined) return [{ ...row, messages: messages(answerFields('answer', answer, turn)) }]
    const pair = (a: readonly string[], b: readonly string[]) =>
      messages({ ...answerFields('answer_a', a, turn), ...answerFields('answer_b', b, turn) })
    return [
      { ...row, order: 'model_first' as const, messages: pair(answer, baseline) },
      { ...row, order: 'baseline_first' as const, messages: pair(baseline, answer) },
    ]
  })
}

const questionFields = ({ turns }: OpenQuestion, turn: 1 | 2): Record<string, string> =>
  turn === 1 ? { question: turns[0]! } : { question_1: turns[0]!, question_2: turns[1]! }

const answerFields = (name: string, answer: readonly string[], turn: 1 | 2): Record<string, string> =>
  turn === 1 ? { [name]: answer[0]! } : { [`${name}_1`]: answer[0]!, [`${name}_2`]: answer[1]! }

/** Where the template asks for it, whatever the category is. */
function referenceFields(
  { id }: OpenQuestion,
  { name, user }: JudgeTemplate,
  reference: readonly string[] | undefined,
): Record<string, string> {
  const wanted = [...user.fields].filter((field) => field.startsWith('ref_answer_'))
  return Object.fromEntries(
    wanted.map((field) => {
      const turn = Number(field.slice('ref_answer_'.length))
      const text = reference?.[turn - 1]
      if (text !== undefined) return [field, text]
      throw new TongueforgeError(
        'ERR_DATA',
        `question ${id}: expected a reference answer to turn ${turn}, as the template ${name} shows it, found none`,
        {
          hint: 'Put it into the file of reference answers: docs/judge.md#data.',
          details: { question_id: id, turn, template: name },
        },
      )
    }),
  )
}

function messagesOf(
  { system, user }: JudgeTemplate,
  fields: Readonly<Record<string, string>>,
  instruction: string | undefined,
): JudgeMessage[] {
  const told =
    instruction === undefined ? system : [system.trimEnd(), instruction].filter(Boolean).join('\n\n')
  const turns: JudgeMessage[] = told === '' ? [] : [{ role: 'system', content: told }]
  return [...turns, { role: 'user', content: user.fill(fields) }]
}

/** Our words for what the InsCP paper adds (arXiv 2405.20175): an answer in another language is a worse one. */
const ALIGNMENT =
  'The user expects answers in {language}. Take into account whether the assistant answers in {language}: unless the user asks for another language, an answer that is not in {language}, or only in part, deserves a clearly lower judgment, however good it is otherwise.'

/** What the judge is told beyond its template, if anything. */
export function instructionOf({
  language,
  instruction,
}: {
  language?: string | undefined
  instruction?: string | undefined
}): string | undefined {
  const words = instruction ?? (language === undefined ? undefined : ALIGNMENT)
  return words?.replaceAll('{language}', language ?? '{language}')
}
