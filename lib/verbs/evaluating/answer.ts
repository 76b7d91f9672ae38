/** One model answers the conversations of a task: turn by turn, prompts of one length and one setting together. */
import { abortWith } from '../../abort'
import type { EvaluateConfig } from '../../config/evaluate'
import type { Answer, Conversation, GenerationSettings } from '../../tasks/generation'
import type { GenerationTask } from '../../tasks/task'
import { mapPaced } from '../../text/pause'
import type { Model } from '../model'
import { BatchWatch } from './batch_watch'
import { ConversationPrompts, type Prompt } from './conversation_prompts'
import type { MeasureOptions } from './measure'
import type { OpenGenerationTask } from './open_task'
import type { PlannedModel } from './plan'

/** A prompt to the letter, and what the model said. */
export interface Turn extends Answer {
  prompt: string
  /** Tokens that the beginning of the prompt lost, where it was too long. */
  cut?: number
}

/** The prompt of one document that waits for its answer. */
interface Row {
  document: number
  /** Of the document: its place in the split. */
  number: number
  prompt: Prompt
  settings: GenerationSettings
}

const DEFAULTS: GenerationSettings = { max_new_tokens: 256, temperature: 0, seed: 0, stop: [] }

/** Draws of turns do not meet those of documents. */
const TURN_SEEDS = 2 ** 32

/** Positions of keys and values that one batch may fill, where nothing is said. */
const BATCH_TOKENS = { cpu: 16_384, cuda: 131_072 }

/** The config's word, else the document's, else the task's. */
export function settingsOf(
  task: GenerationTask,
  conversation: Conversation,
  { generation }: EvaluateConfig,
): GenerationSettings {
  const { chat_template: _, ...given } = generation
  const settings = [task.generation, conversation.generation, given].flatMap((some) =>
    Object.entries(some ?? {}).filter(([, value]) => value !== undefined),
  )
  return { ...DEFAULTS, ...Object.fromEntries(settings) }
}

export const turnsAsked = ({ later = [] }: Conversation): number => 1 + later.length

/** What is there of the answers already, and takes those that are made; told of each batch. */
export interface AnswerStore {
  find(turn: number, documents: readonly number[]): Turn[] | undefined
  add(turn: number, documents: readonly number[], said: readonly Turn[]): Promise<void>
}

/** Of each document its turns. Rejects with `signal.reason`; throws ERR_DATA, ERR_TEMPLATE, and what the store throws. */
export async function answersOf(
  model: Model,
  planned: PlannedModel,
  opened: OpenGenerationTask,
  config: EvaluateConfig,
  store: AnswerStore,
  options: MeasureOptions,
): Promise<Turn[][]> {
  const { conversations } = opened
  const prompts = await ConversationPrompts.open(planned, config)
  const turns: Turn[][] = conversations.map(() => [])
  const progress = new TokenProgress(mostNewTokens(opened, config), options)
  const last = most(conversations, turnsAsked)
  for (let turn = 0; turn < last; turn++) {
    const rows = await rowsOf(opened, prompts, config, turns, turn)
    for (const batch of batchesOf(rows, config)) {
      const documents = batch.rows.map(({ document }) => document)
      let said = store.find(turn, documents)
      if (said === undefined) {
        const answers = await answered(model, batch, turn, prompts, progress, options.signal)
        said = batch.rows.map((row, i) => turnOf(row, answers[i]!))
        await store.add(turn, documents, said)
      }
      progress.ended(batch.rows.reduce((sum, { settings }) => sum + settings.max_new_tokens, 0))
      for (const [i, document] of documents.entries()) turns[document]!.push(said[i]!)
    }
  }
  return turns
}

const turnOf = ({ prompt }: Row, answer: Answer): Turn => ({
  ...{ prompt: prompt.text, ...answer },
  ...(prompt.cut > 0 && { cut: prompt.cut }),
})

/** Tokens that the model writes at most. */
export function mostNewTokens({ task, conversations }: OpenGenerationTask, config: EvaluateConfig): number {
  return conversations.reduce(
    (sum, one) => sum + turnsAsked(one) * settingsOf(task, one, config).max_new_tokens,
    0,
  )
}

/** The prompts of one turn: of the documents that have so many. */
export async function rowsOf(
  { task, numbers, conversations }: OpenGenerationTask,
  prompts: ConversationPrompts,
  config: EvaluateConfig,
  turns: readonly (readonly Turn[])[],
  turn: number,
): Promise<Row[]> {
  const documents = [...conversations.keys()].filter((i) => turn < turnsAsked(conversations[i]!))
  const settings = documents.map((i) => settingsOf(task, conversations[i]!, config))
  const asked = await mapPaced(documents, (document, i) => ({
    text: prompts.written(
      task,
      conversations[document]!,
      turns[document]!.map(({ text }) => text),
    ),
    max_new_tokens: settings[i]!.max_new_tokens,
  }))
  const encoded = await prompts.encoded(asked, (i) => `${task.name}: document ${numbers[documents[i]!]}`)
  return documents.map((document, i) => ({
    ...{ document, number: numbers[document]! },
    ...{ prompt: encoded[i]!, settings: settings[i]! },
  }))
}

/** Rows that are answered in one call; those of one length run side by side. */
interface Batch {
  rows: Row[]
  /** All of one length: they take their tokens in turns. */
  together: boolean
}

/** So many rows at once as there is room for. The same rows give the same batches. */
function batchesOf(rows: readonly Row[], config: EvaluateConfig): Batch[] {
  const greedy = rows.filter(({ settings }) => settings.temperature === 0)
  const drawn = rows.filter(({ settings }) => settings.temperature > 0)
  const alike = groupedBy(greedy, ({ prompt, settings }) =>
    JSON.stringify([prompt.ids.length, prompt.max_new_tokens, settings]),
  )
  return [
    ...alike.flatMap((some) => cut(some, config).map((own) => ({ rows: own, together: true }))),
    ...runsOf(drawn).flatMap((some) => cut(some, config).map((own) => ({ rows: own, together: false }))),
  ]
}

/** Documents that follow each other and have one setting: row i of a call draws with its seed + i. */
function runsOf(rows: readonly Row[]): Row[][] {
  const runs: Row[][] = []
  for (const row of rows) {
    const last = runs.at(-1)?.at(-1)
    const goesOn =
      last !== undefined &&
      last.number + 1 === row.number &&
      last.prompt.max_new_tokens === row.prompt.max_new_tokens &&
      JSON.stringify(last.settings) === JSON.stringify(row.settings)
    if (goesOn) runs.at(-1)!.push(row)
    else runs.push([row])
  }
  return runs
}

function groupedBy(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group) group.push(row)
    else groups.set(keyOf(row), [row])
  }
  return [...groups.values()]
}

function cut(rows: readonly Row[], { batch_tokens, device }: EvaluateConfig): Row[][] {
  const room = batch_tokens || BATCH_TOKENS[device.startsWith('cuda') ? 'cuda' : 'cpu']
  const longest = most(rows, ({ prompt }) => prompt.ids.length + prompt.max_new_tokens)
  const size = Math.max(1, Math.floor(room / longest))
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, i) => rows.slice(i * size, (i + 1) * size))
}

// Of as many as there are documents: more than the arguments of one call can be.
const most = <One>(all: readonly One[], of: (one: One) => number) =>
  all.reduce((found, one) => Math.max(found, of(one)), 0)

async function answered(
  model: Model,
  { rows, together }: Batch,
  turn: number,
  prompts: ConversationPrompts,
  progress: TokenProgress,
  signal: AbortSignal | undefined,
): Promise<Answer[]> {
  const [{ number, settings, prompt }] = rows as [Row, ...Row[]]
  const watch = new BatchWatch(
    rows.map((row) => prompts.decoder(row.prompt)),
    settings.stop,
  )
  const enough = new AbortController()
  const letGo = abortWith(enough, signal)
  const onToken = (token: { row: number; id: number }) => {
    progress.token()
    watch.take(token)
    if (together && watch.over) enough.abort()
  }
  const options = {
    ...{ temperature: settings.temperature, topK: settings.top_k, topP: settings.top_p },
    ...{ maxNewTokens: prompt.max_new_tokens, seed: settings.seed + number + turn * TURN_SEEDS },
    onToken,
    signal: enough.signal,
  }
  try {
    const found = await model.generateIds(
      rows.map((row) => row.prompt.ids),
      options,
    )
    return watch.answers(found.map(({ finish_reason }) => finish_reason))
  } catch (error) {
    if (enough.signal.aborted && !signal?.aborted) return watch.answers()
    throw error
  } finally {
    letGo()
  }
}

/** Tokens that came, or that come no more. */
class TokenProgress {
  #before = 0
  #now = 0

  constructor(
    private readonly total: number,
    private readonly options: MeasureOptions,
  ) {}

  token(): void {
    this.#now++
    this.#tell(this.#before + this.#now)
  }

  ended(most: number): void {
    this.#before += most
    this.#now = 0
    this.#tell(this.#before)
  }

  #tell(done: number): void {
    this.options.onProgress?.({ done, total: this.total })
  }
}
