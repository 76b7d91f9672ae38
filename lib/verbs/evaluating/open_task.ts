/** A task with its documents read and its examples chosen: what all models are asked. */
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError, toTongueforgeError } from '../../errors'
import { findSplit, type ListFiles, readSplit } from '../../tasks/data'
import { fixedTexts } from '../../tasks/fixed_texts'
import type { Conversation } from '../../tasks/generation'
import { shotPicker } from '../../tasks/shots'
import type {
  ChoiceTask,
  Doc,
  FixedTexts,
  GenerationTask,
  Question,
  RollingTask,
  Task,
} from '../../tasks/task'
import { mapPaced } from '../../text/pause'

interface Opened {
  docs: readonly Doc[]
  num_fewshot: number
  /** All files that were read. */
  files: readonly string[]
}

export interface OpenChoiceTask extends Opened {
  kind: 'choices'
  task: ChoiceTask
  texts: FixedTexts
  /** Of each document, and what stands before it. */
  questions: readonly Question[]
  shots: readonly (readonly Question[])[]
}

export interface OpenRollingTask extends Opened {
  kind: 'rolling'
  task: RollingTask
}

export interface OpenGenerationTask extends Opened {
  kind: 'generation'
  task: GenerationTask
  /** Of each document its place in the split: what it draws with, whichever others are asked. */
  numbers: readonly number[]
  /** Of each document. */
  conversations: readonly Conversation[]
}

/** Tasks whose answers are given: a model tells how likely they are. */
export type OpenLikelihoodTask = OpenChoiceTask | OpenRollingTask
export type OpenTask = OpenLikelihoodTask | OpenGenerationTask

/** Throws ERR_NOT_FOUND, ERR_DATA that names task and document, ERR_TEMPLATE. */
export async function openTask(
  task: Task,
  config: EvaluateConfig,
  signal?: AbortSignal,
  list?: ListFiles,
): Promise<OpenTask> {
  const evaluated = await findSplit(config.data, task.source, task.split, list)
  const split = await readSplit(evaluated, signal)
  const numbers = limited(task, split, config)
  const docs = numbers.map((number) => split[number]!)
  if (docs.length === 0) throw noDocuments(task.name, evaluated.files)
  const files = [...evaluated.files, ...(task.file === undefined ? [] : [task.file])]
  if (task.kind === 'rolling') return { kind: 'rolling', task, docs, num_fewshot: 0, files }
  if (task.kind === 'generation') {
    const ask = (doc: Doc, what: string) => conversationOf(task, doc, what)
    const askFirst = (doc: Doc, i: number) => described(task, doc, `document ${numbers[i]}`, ask)
    const alone = await mapPaced(docs, askFirst, signal)
    const { shots, num_fewshot, files: pool } = await shotsOf(task, split, numbers, config, ask, signal, list)
    const conversations = alone.map((conversation, i) => withExamples(task, conversation, shots[i]!))
    return { kind: 'generation', task, docs, numbers, conversations, num_fewshot, files: [...files, ...pool] }
  }
  const { texts, file } = await fixedTexts(config.data, task)
  const ask = (doc: Doc, what: string) => questionOf(task, doc, texts, what)
  const questions = await mapPaced(docs, (doc, i) => described(task, doc, `document ${i}`, ask), signal)
  const { shots, num_fewshot, files: pool } = await shotsOf(task, split, numbers, config, ask, signal, list)
  for (const shot of shots.flat()) checkShot(task, shot)
  const read = [...files, ...pool, ...(file === undefined ? [] : [file])]
  return { kind: 'choices', task, docs, texts, questions, shots, num_fewshot, files: read }
}

/** Places of the first ones; of a task with parts, of each part. */
function limited(task: Task, docs: readonly Doc[], { limit = docs.length }: EvaluateConfig): number[] {
  const all = [...docs.keys()]
  if (task.kind !== 'generation' || task.partOf === undefined) return all.slice(0, limit)
  const counts = new Map<string, number>()
  return all.filter((i) => {
    const part = named(task, `document ${i}`, () => task.partOf!(docs[i]!))
    const count = (counts.get(part) ?? 0) + 1
    counts.set(part, count)
    return count <= limit
  })
}

/** The examples of each document that is asked, drawn as if all were, and the files that they are from. */
async function shotsOf<Shot>(
  task: ChoiceTask | GenerationTask,
  split: readonly Doc[],
  numbers: readonly number[],
  config: EvaluateConfig,
  ask: (doc: Doc, what: string) => Shot,
  signal?: AbortSignal,
  list?: ListFiles,
): Promise<{ num_fewshot: number; shots: Shot[][]; files: readonly string[] }> {
  const { name, source, shots } = task
  const num_fewshot = shotsWanted(task, config)
  if (shots === undefined || num_fewshot === 0)
    return { num_fewshot, shots: numbers.map(() => []), files: [] }
  const pool = await findSplit(config.data, source, shots.split, list)
  const pick = shotPicker({ name, shots }, await readSplit(pool, signal), num_fewshot, config.fewshot_seed)
  const asked = new Set(numbers)
  const examples = (doc: Doc, number: number) => {
    // Those of a document hang on what was drawn for all before it.
    const picked = asked.has(number) || shots.pick === 'random' ? pick(doc) : []
    return asked.has(number) ? [picked.map((shot) => ask(shot, 'an example'))] : []
  }
  const picked = await mapPaced(split.slice(0, numbers.at(-1)! + 1), examples, signal)
  return { num_fewshot, shots: picked.flat(), files: pool.files }
}

function shotsWanted(
  { shots, num_fewshot = 0 }: ChoiceTask | GenerationTask,
  config: EvaluateConfig,
): number {
  return shots === undefined || shots.none ? 0 : (config.num_fewshot ?? num_fewshot)
}

function questionOf(task: ChoiceTask, doc: Doc, texts: FixedTexts, what: string): Question {
  return named(task, what, () => {
    const question = task.question(doc, texts)
    if (question.answers.length === 0)
      throw new TongueforgeError('ERR_DATA', 'expected answers, received none')
    return question
  })
}

function conversationOf(task: GenerationTask, doc: Doc, what: string): Conversation {
  return named(task, what, () => {
    const conversation = task.conversation(doc)
    task.partOf?.(doc) // what it misses is told here
    if (conversation.messages.at(-1)?.role !== 'user')
      throw new TongueforgeError('ERR_DATA', "expected a turn of the user's at the end, received none")
    return conversation
  })
}

/** With what stands before all else; examples have none. */
function described<Asked>(
  task: ChoiceTask | GenerationTask,
  doc: Doc,
  what: string,
  ask: (doc: Doc, what: string) => Asked,
): Asked {
  const asked = ask(doc, what)
  if (task.descriptionOf === undefined) return asked
  return { ...asked, description: named(task, what, () => task.descriptionOf!(doc)) }
}

/** What goes wrong with a document is told with task and document. */
function named<Made>({ name }: Task, what: string, make: () => Made): Made {
  try {
    return make()
  } catch (error) {
    const { code, message, hint } = toTongueforgeError(error)
    throw new TongueforgeError(code, `${name}: ${what}: ${message}`, {
      hint: hint ?? 'docs/evaluate.md#data lists the layouts that are read.',
      details: { task: name, document: what },
      cause: error,
    })
  }
}

function checkShot({ name }: ChoiceTask, shot: Question): void {
  const place = [shot.gold].flat()[0]
  if (place === undefined || shot.answers[place] === undefined) throw noAnswer(name)
}

/** The first turn of each, and what is right there. */
function withExamples(
  { name }: GenerationTask,
  conversation: Conversation,
  shots: readonly Conversation[],
): Conversation {
  if (shots.length === 0) return conversation
  const examples = shots.map(({ messages, target }) => {
    const [answer] = [target].flat()
    if (answer === undefined) throw noAnswer(name)
    return { asked: messages.at(-1)!.content, answer }
  })
  return { ...conversation, examples }
}

const noAnswer = (task: string) =>
  new TongueforgeError('ERR_DATA', `${task}: expected an answer in each example, found one without`, {
    hint: 'Take that record out of the split of the examples.',
    details: { task },
  })

const noDocuments = (task: string, files: readonly string[]) =>
  new TongueforgeError('ERR_DATA', `${task}: expected documents, found none in ${files.join(', ')}`, {
    hint: 'Is the file complete?',
    details: { task, files: [...files] },
  })
