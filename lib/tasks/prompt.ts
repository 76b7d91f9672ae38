/** From a question, its examples and a description to the text that a model sees, as lm-evaluation-harness lays it out. */
import { TongueforgeError } from '../errors'
import type { ChatTemplate, Message } from '../text/chat_template'
import { beginsWithSpace, endsWithSpace } from '../text/python_text'
import type { ChoiceTask, FixedTexts, Question } from './task'

export interface PromptOptions {
  /** A text before all else, or the turn of the system. */
  system_instruction?: string | undefined
  /** The prompt as a conversation in this template. */
  template?: ChatTemplate | undefined
  /** Examples as turns of their own; else all in one turn of the user. */
  fewshot_as_multiturn?: boolean | undefined
}

/** A context and what is to follow it. */
export interface Pair {
  context: string
  continuation: string
}

/** A piece of the prompt; `after` ends it where it is no turn of its own. */
interface Turn extends Message {
  role: 'system' | 'user' | 'assistant'
  after: string
}

/** A pair for each answer. Throws ERR_TEMPLATE. */
export function pairsOf(
  task: ChoiceTask,
  question: Question,
  shots: readonly Question[],
  texts: FixedTexts,
  options: PromptOptions = {},
): Pair[] {
  const before = [...systemTurn(task, texts, options), ...shots.flatMap((shot) => shotTurns(task, shot))]
  const textOf = (context: string) =>
    written([...before, { role: 'user', content: context, after: '' }], options)
  const { context, answers } = question
  const contexts = typeof context === 'string' ? [textOf(context)] : context.map(textOf)
  // A template ends with what stands before an answer.
  const delimiter = options.template ? '' : targetDelimiter(task)
  return answers.map((answer, i) => ({
    context: contexts[i % contexts.length]!,
    continuation: delimiter + answer,
  }))
}

const targetDelimiter = ({ target_delimiter = ' ' }: ChoiceTask) => target_delimiter
const fewshotDelimiter = ({ fewshot_delimiter = '\n\n' }: ChoiceTask) => fewshot_delimiter

function systemTurn(task: ChoiceTask, texts: FixedTexts, { system_instruction = '' }: PromptOptions): Turn[] {
  const description = task.description ?? texts.description ?? ''
  const between =
    system_instruction === '' ||
    description === '' ||
    endsWithSpace(system_instruction) ||
    beginsWithSpace(description)
      ? ''
      : fewshotDelimiter(task)
  const content = system_instruction + between + description
  return content === '' ? [] : [{ role: 'system', content, after: '' }]
}

function shotTurns(task: ChoiceTask, { context, answers, gold }: Question): Turn[] {
  const right = [gold].flat()[0]!
  const content = typeof context === 'string' ? context : context[right]!
  return [
    { role: 'user', content, after: targetDelimiter(task) },
    { role: 'assistant', content: answers[right]!, after: fewshotDelimiter(task) },
  ]
}

function written(turns: readonly Turn[], { template, fewshot_as_multiturn }: PromptOptions): string {
  const text = (some: readonly Turn[]) => some.map(({ content, after }) => content + after).join('')
  if (template === undefined) return text(turns)
  const plain = ({ role, content }: Turn): Message => ({ role, content })
  if (fewshot_as_multiturn) return rendered(template, turns.map(plain))
  const system = turns.filter(({ role }) => role === 'system')
  const rest = turns.slice(system.length)
  return rendered(template, [...system.map(plain), { role: 'user', content: text(rest) }])
}

/** A template that knows no system's turn gets the conversation without it. Throws ERR_TEMPLATE. */
export function rendered(template: ChatTemplate, messages: readonly Message[]): string {
  const options = { addGenerationPrompt: true }
  try {
    return template.render(messages, options)
  } catch (error) {
    const others = messages.filter(({ role }) => role !== 'system')
    const refused = error instanceof TongueforgeError && error.code === 'ERR_TEMPLATE'
    if (!refused || others.length === messages.length) throw error
    return template.render(others, options)
  }
}
