import type { Message } from './chat_template'

// The ways in which a JSON record holds a text or a conversation. To add one: a row in `FORMATS`.

export type RecordFormat = 'text' | 'messages' | 'sharegpt' | 'alpaca' | 'pairs'
export type JsonRecord = Record<string, unknown>

/** What a record says, or why it cannot be read (a sentence that begins with "expected"). */
export type Content = { text: string } | { messages: Message[] } | { problem: string }

interface Format {
  /** Whether a record looks like this; asked in the order of the table. */
  fits(record: JsonRecord): boolean
  read(record: JsonRecord, field: string | undefined): Content
}

/** Key pairs of `pairs`, prompt and answer. */
const PAIRS: readonly [prompt: string, answer: string][] = [
  ['prompt', 'completion'],
  ['prompt', 'response'],
  ['prompt', 'answer'],
  ['question', 'answer'],
  ['instruction', 'response'],
  ['input', 'output'],
]
/** Names of roles in `sharegpt`, and what they are called everywhere else. */
const SPEAKERS: Readonly<Record<string, string>> = {
  human: 'user',
  user: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  assistant: 'assistant',
  model: 'assistant',
  system: 'system',
  tool: 'tool',
  observation: 'tool',
}

const FORMATS: Readonly<Record<RecordFormat, Format>> = {
  messages: { fits: (record) => Array.isArray(record.messages), read: readMessages },
  sharegpt: { fits: (record) => Array.isArray(record.conversations), read: readShareGpt },
  alpaca: { fits: (record) => isText(record.instruction) && isText(record.output), read: readAlpaca },
  pairs: { fits: (record) => pairKeys(record) !== undefined, read: readPair },
  text: { fits: (record) => isText(record.text), read: readText },
}
export const RECORD_FORMATS = Object.keys(FORMATS) as RecordFormat[]

/** The format that the first records of a file have in common, else that of the very first; undefined if none fits. */
export function guessFormat(records: readonly JsonRecord[]): RecordFormat | undefined {
  if (records.length === 0) return undefined
  const fitting = (some: readonly JsonRecord[]) =>
    RECORD_FORMATS.find((name) => some.every((record) => FORMATS[name].fits(record)))
  return fitting(records) ?? fitting(records.slice(0, 1))
}

/** Reads one record. `field` names the key of the text in format `text`. */
export function readRecord(format: RecordFormat, record: JsonRecord, field?: string): Content {
  const content = FORMATS[format].read(record, field)
  if ('messages' in content && !content.messages.some(({ role }) => role === 'assistant')) {
    return { problem: 'expected at least one answer of the assistant, found none' }
  }
  return content
}

const isText = (value: unknown): value is string => typeof value === 'string'

function readText(record: JsonRecord, field = 'text'): Content {
  const text = record[field]
  return isText(text) ? { text } : { problem: `expected text under "${field}", found ${keysOf(record)}` }
}

/** {messages: [{role, content}]}; content may be a list of parts {type: "text", text}. Further keys are kept. */
function readMessages(record: JsonRecord): Content {
  if (!Array.isArray(record.messages))
    return { problem: `expected a list under "messages", found ${keysOf(record)}` }
  const messages: Message[] = []
  for (const [i, turn] of record.messages.entries()) {
    const content = contentOf(turn?.content)
    if (!isText(turn?.role) || content === undefined) {
      return { problem: `expected messages[${i}] to have a role and a content of text` }
    }
    messages.push({ ...turn, content })
  }
  return { messages }
}

function contentOf(content: unknown): string | undefined {
  if (isText(content)) return content
  if (!Array.isArray(content)) return undefined
  const texts = content.map((part) => (part?.type === 'text' ? part.text : undefined))
  return texts.every(isText) ? texts.join('') : undefined
}

/** {conversations: [{from, value}], system?} of ShareGPT. */
function readShareGpt(record: JsonRecord): Content {
  if (!Array.isArray(record.conversations)) {
    return { problem: `expected a list under "conversations", found ${keysOf(record)}` }
  }
  const messages = systemTurn(record)
  for (const [i, turn] of record.conversations.entries()) {
    const role = isText(turn?.from) && Object.hasOwn(SPEAKERS, turn.from) ? SPEAKERS[turn.from] : undefined
    if (role === undefined || !isText(turn.value)) {
      return {
        problem: `expected conversations[${i}] to have a value of text and a from of ${Object.keys(SPEAKERS).join(', ')}`,
      }
    }
    messages.push({ role, content: turn.value })
  }
  return { messages }
}

/** {instruction, input?, output, system?, history?: [[question, answer]]} of Alpaca and LLaMA-Factory. */
function readAlpaca(record: JsonRecord): Content {
  const { instruction, input, output, history } = record
  if (!isText(instruction) || !isText(output)) {
    return { problem: `expected text under "instruction" and "output", found ${keysOf(record)}` }
  }
  const messages = systemTurn(record)
  for (const [i, round] of (Array.isArray(history) ? history : []).entries()) {
    if (!Array.isArray(round) || !isText(round[0]) || !isText(round[1])) {
      return { problem: `expected history[${i}] to be a question and its answer` }
    }
    messages.push({ role: 'user', content: round[0] }, { role: 'assistant', content: round[1] })
  }
  const question = isText(input) && input !== '' ? `${instruction}\n${input}` : instruction
  messages.push({ role: 'user', content: question }, { role: 'assistant', content: output })
  return { messages }
}

/** A prompt and its answer under two keys. */
function readPair(record: JsonRecord): Content {
  const keys = pairKeys(record)
  if (!keys)
    return {
      problem: `expected text under ${PAIRS.map((pair) => pair.join(' and ')).join(', or ')}, found ${keysOf(record)}`,
    }
  const [prompt, answer] = keys.map((key) => record[key] as string) as [string, string]
  return {
    messages: [
      ...systemTurn(record),
      { role: 'user', content: prompt },
      { role: 'assistant', content: answer },
    ],
  }
}

function pairKeys(record: JsonRecord): [string, string] | undefined {
  const found = PAIRS.find(([prompt, answer]) => isText(record[prompt]) && isText(record[answer]))
  return found && [...found]
}

function systemTurn({ system }: JsonRecord): Message[] {
  return isText(system) && system !== '' ? [{ role: 'system', content: system }] : []
}

function keysOf(record: JsonRecord): string {
  return Object.keys(record).slice(0, 8).join(', ') || 'no keys'
}
