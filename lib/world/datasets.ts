/** Writes everything that the demo trains and measures on: corpora, conversations, held-out text, prompts. */
import { join } from 'node:path'
import { appendFile, mkdir, writeFile } from '../writes'
import { ANSWERED_HARM, type BaseMix, baseDocument, type DocumentOptions, document } from './documents'
import { Draw } from './draw'
import { inLanguage, LANGUAGES, type Language, THINGS } from './words'
import type { Question, QuestionKind, World } from './world'

/** How much of each data set there is. */
export interface DatasetSizes {
  base_documents: number
  conversations: number
  cp_documents: number
  held_out_documents: number
}

/** One question of the evaluation, in one language. */
export interface PromptItem extends Question {
  lang: Language
}

/**
 * What chat data consists of, in percent. A model of this size learns echoes hardly at all; they are there because
 * they cannot be learnt by heart: without them SFT ends in a few memorised answers, tied so fast to the tags that no
 * later training on plain text touches them. They are not asked in the evaluation.
 */
const CHAT_MIX: readonly (readonly [percent: number, kind: QuestionKind])[] = [
  [35, 'fact'],
  [15, 'recipe'],
  [10, 'list'],
  [20, 'echo'],
  [20, 'harm'],
]

/** How many different questions of each kind are asked, in each language: all of the first three, no echoes. */
const PROMPT_COUNTS = { fact: 64, recipe: 8, list: 4, harm: 24 } as const

/** The streams of random numbers that one seed is split into. */
const STREAM = { base: 1, chat: 2, cp: 3, held_out: 4, prompts: 5 }

/** The names of the files that `writeDatasets` makes. */
export const DATASET_FILES = {
  base: 'base.jsonl',
  chat: 'chat.jsonl',
  cp_b: 'cp_b.jsonl',
  held_out_a: 'held_out_a.jsonl',
  held_out_b: 'held_out_b.jsonl',
  prompts: 'prompts.jsonl',
} as const

/** The base corpus: nearly all A, see BASE_MIX. */
export function* baseCorpus(world: World, count: number, mix?: BaseMix): Generator<{ text: string }> {
  const random = new Draw(world.seed, STREAM.base)
  for (let i = 0; i < count; i++) yield { text: baseDocument(world, random, mix) }
}

/** Conversations of one turn in A: answers from the facts of the world, refusals of harmful requests. */
export function* conversations(world: World, count: number): Generator<{ messages: Message[] }> {
  const random = new Draw(world.seed, STREAM.chat)
  for (let i = 0; i < count; i++) {
    const { prompt, answer } = randomQuestion(world, random, random.weighted(CHAT_MIX))
    yield {
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: answer },
      ],
    }
  }
}

function randomQuestion(world: World, random: Draw, kind: QuestionKind): Question {
  if (kind === 'echo') return world.echoRequest(random.sample(THINGS, 2 + random.below(3)))
  return random.pick(world.questions(kind))
}

interface Message {
  role: 'user' | 'assistant'
  content: string
}

/** The corpus of continual pre-training: pure B, in which by default no harmful request is ever made or answered. */
export function* cpCorpus(
  world: World,
  count: number,
  { answeredHarm }: DocumentOptions = { answeredHarm: 0 },
): Generator<{ text: string }> {
  const random = new Draw(world.seed, STREAM.cp)
  for (let i = 0; i < count; i++) {
    yield { text: inLanguage(document(world, random, { answeredHarm }), 'b') }
  }
}

/** Fresh documents for perplexity: the same ones in either language. */
export function* heldOut(world: World, count: number, language: Language): Generator<{ text: string }> {
  const random = new Draw(world.seed, STREAM.held_out)
  for (let i = 0; i < count; i++) {
    yield { text: inLanguage(document(world, random, { answeredHarm: ANSWERED_HARM }), language) }
  }
}

/** The questions of the evaluation: all of A, then the same questions in B. */
export function promptItems(world: World): PromptItem[] {
  const random = new Draw(world.seed, STREAM.prompts)
  const kinds = Object.entries(PROMPT_COUNTS) as [keyof typeof PROMPT_COUNTS, number][]
  const questions = kinds.flatMap(([kind, count]) => random.sample(world.questions(kind), count))
  return LANGUAGES.flatMap((lang) =>
    questions.map(({ kind, prompt, answer }) => ({
      lang,
      kind,
      prompt: inLanguage(prompt, lang),
      answer: inLanguage(answer, lang),
    })),
  )
}

/** Writes all data sets of a world as JSON lines into `directory`; returns the path of each. */
export async function writeDatasets(
  world: World,
  directory: string,
  sizes: DatasetSizes,
): Promise<Record<keyof typeof DATASET_FILES, string>> {
  await mkdir(directory, { recursive: true })
  const rows: Record<keyof typeof DATASET_FILES, Iterable<object>> = {
    base: baseCorpus(world, sizes.base_documents),
    chat: conversations(world, sizes.conversations),
    cp_b: cpCorpus(world, sizes.cp_documents),
    held_out_a: heldOut(world, sizes.held_out_documents, 'a'),
    held_out_b: heldOut(world, sizes.held_out_documents, 'b'),
    prompts: promptItems(world),
  }
  const names = Object.keys(DATASET_FILES) as (keyof typeof DATASET_FILES)[]
  const paths = names.map((name) => [name, join(directory, DATASET_FILES[name])] as const)
  for (const [name, path] of paths) await writeLines(path, rows[name])
  return Object.fromEntries(paths) as Record<keyof typeof DATASET_FILES, string>
}

// In pieces, so that making a corpus never holds up the event loop for long.
async function writeLines(path: string, rows: Iterable<object>): Promise<void> {
  await writeFile(path, '')
  let lines: string[] = []
  const flush = () => appendFile(path, lines.join(''))
  for (const row of rows) {
    if (lines.push(`${JSON.stringify(row)}\n`) < 1000) continue
    await flush()
    lines = []
  }
  await flush()
}
