/** From a question, its examples and a description to the text that a model sees, as lm-evaluation-harness lays it out. */
import { TongueforgeError } from '../errors'
import type { ChatTemplate, Message } from '../text/chat_template'
import { beginsWithSpace, endsWithSpace } from '../text/python_text'
import type { Example } from './generation'
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

/** What lays out the prompts of a task. */
export type Layout = Pick<ChoiceTask, 'description' | 'target_delimiter' | 'fewshot_delimiter'>

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
  const before = [
    ...systemTurn(question.description ?? task.description ?? texts.description, task, options),
    ...shots.flatMap((shot) => exampleTurns(task, exampleOf(shot))),
  ]
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

/** The prompt of the turn behind the answers of the model, which `later` has with the turns of the user. Throws ERR_TEMPLATE. */
export function conversationText(
  layout: Layout,
  examples: readonly Example[],
  asked: readonly Message[],
  later: readonly Message[],
  options: PromptOptions,
): string {
  const [first, ...others] = asked as [Message, ...Message[]]
  const turns: Turn[] = [
    ...systemTurn(layout.description, layout, options),
    ...examples.flatMap((example) => exampleTurns(layout, example)),
    { role: 'user', content: first.content, after: '' },
  ]
  return written(turns, options, [...others, ...later])
}

const targetDelimiter = ({ target_delimiter = ' ' }: Layout) => target_delimiter
const fewshotDelimiter = ({ fewshot_delimiter = '\n\n' }: Layout) => fewshot_delimiter

function systemTurn(description = '', task: Layout, { system_instruction = '' }: PromptOptions): Turn[] {
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

function exampleOf({ context, answers, gold }: Question): Example {
  const right = [gold].flat()[0]!
  return { asked: typeof context === 'string' ? context : context[right]!, answer: answers[right]! }
}

function exampleTurns(layout: Layout, { asked, answer }: Example): Turn[] {
  return [
    { role: 'user', content: asked, after: targetDelimiter(layout) },
    { role: 'assistant', content: answer, after: fewshotDelimiter(layout) },
  ]
}

/** Turns behind the first answer are turns of their own; in plain text an empty line stands before each. */
function written(
  turns: readonly Turn[],
  { template, fewshot_as_multiturn }: PromptOptions,
  later: readonly Message[] = [],
): string {
  const text = (some: readonly Turn[]) => some.map(({ content, after }) => content + after).join('')
  if (template === undefined) return [text(turns), ...later.map(({ content }) => content)].join('\n\n')
  const plain = ({ role, content }: Turn): Message => ({ role, content })
  if (fewshot_as_multiturn) return rendered(template, [...turns.map(plain), ...later])
  const system = turns.filter(({ role }) => role === 'system')
  const rest = turns.slice(system.length)
  return rendered(template, [...system.map(plain), { role: 'user', content: text(rest) }, ...later])
}

/** A template that knows no system's turn gets the conversation without it. Throws ERR_TEMPLATE. */
function rendered(template: ChatTemplate, messages: readonly Message[]): string {
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
