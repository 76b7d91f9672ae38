import type { Message } from './chat_template'
import { hasPreference, type Preference, readPreference } from './preference_records'
import {
  assistant,
  isProblem,
  isText,
  type JsonRecord,
  keysOf,
  type Problem,
  readRoles,
  readSpeakers,
  systemTurn,
  user,
} from './turns'

// The ways in which a record holds a text, a conversation or a preference. To add one: a row in `FORMATS`.

/** How a record holds its text or conversation. */
export type RecordFormat = 'text' | 'messages' | 'sharegpt' | 'alpaca' | 'pairs' | 'preference'
export type { JsonRecord } from './turns'

/** What a record says, or why it cannot be read. */
export type Content = { text: string } | { messages: Message[] } | Preference | Problem

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

const FORMATS: Readonly<Record<RecordFormat, Format>> = {
  preference: { fits: hasPreference, read: readPreference },
  messages: { fits: (record) => Array.isArray(record.messages), read: readMessages },
  sharegpt: { fits: (record) => Array.isArray(record.conversations), read: readShareGpt },
  alpaca: {
    fits: (record) => isText(record.instruction) && roundsOf(record) !== undefined,
    read: readAlpaca,
  },
  pairs: { fits: (record) => pairKeys(record) !== undefined, read: readPair },
  text: { fits: (record) => isText(record.text), read: readText },
}
export const RECORD_FORMATS = Object.keys(FORMATS) as RecordFormat[]

/** All keys that some format reads. */
export const RECORD_KEYS: readonly string[] = [
  ...new Set([
    ...PAIRS.flat(),
    ...[
      'text',
      'messages',
      'conversations',
      'system',
      'output',
      'history',
      'instances',
      'chosen',
      'rejected',
    ],
  ]),
]

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

function readText(record: JsonRecord, field = 'text'): Content {
  const text = record[field]
  return isText(text) ? { text } : { problem: `expected text under "${field}", found ${keysOf(record)}` }
}

/** {messages: [{role, content}]}. */
function readMessages(record: JsonRecord): Content {
  if (!Array.isArray(record.messages))
    return { problem: `expected a list under "messages", found ${keysOf(record)}` }
  return conversation(readRoles(record.messages, 'messages'))
}

/** {conversations: [{from, value}], system?} of ShareGPT. */
function readShareGpt(record: JsonRecord): Content {
  if (!Array.isArray(record.conversations))
    return { problem: `expected a list under "conversations", found ${keysOf(record)}` }
  const turns = readSpeakers(record.conversations, 'conversations')
  return isProblem(turns) ? turns : { messages: [...systemTurn(record), ...turns] }
}

const conversation = (turns: Message[] | Problem): Content => (isProblem(turns) ? turns : { messages: turns })

/**
 * {instruction, input?, output, system?, history?: [[question, answer]]} of Alpaca and LLaMA-Factory; Self-Instruct has
 * {instruction, instances: [{input, output}]}, each a round of the conversation.
 */
function readAlpaca(record: JsonRecord): Content {
  const { instruction, history } = record
  const rounds = roundsOf(record)
  if (!isText(instruction) || !rounds)
    return { problem: `expected text under "instruction" and "output", found ${keysOf(record)}` }
  const messages = systemTurn(record)
  for (const [i, round] of (Array.isArray(history) ? history : []).entries()) {
    if (!Array.isArray(round) || !isText(round[0]) || !isText(round[1]))
      return { problem: `expected history[${i}] to be a question and its answer` }
    messages.push(user(round[0]), assistant(round[1]))
  }
  for (const { input, output } of rounds) {
    const question = isText(input) && input !== '' ? `${instruction}\n${input}` : instruction
    messages.push(user(question), assistant(output))
  }
  return { messages }
}

/** The inputs of an instruction with their outputs; undefined where there is none. */
function roundsOf({
  input,
  output,
  instances,
}: JsonRecord): { input: unknown; output: string }[] | undefined {
  if (isText(output)) return [{ input, output }]
  if (!Array.isArray(instances) || instances.length === 0) return undefined
  return instances.every((instance) => isText(instance?.output)) ? instances : undefined
}

/** A prompt and its answer under two keys. */
function readPair(record: JsonRecord): Content {
  const keys = pairKeys(record)
  if (!keys)
    return {
      problem: `expected text under ${PAIRS.map((pair) => pair.join(' and ')).join(', or ')}, found ${keysOf(record)}`,
    }
  const [prompt, answer] = keys.map((key) => record[key] as string) as [string, string]
  return { messages: [...systemTurn(record), user(prompt), assistant(answer)] }
}

function pairKeys(record: JsonRecord): [string, string] | undefined {
  const found = PAIRS.find(([prompt, answer]) => isText(record[prompt]) && isText(record[answer]))
  return found && [...found]
}
