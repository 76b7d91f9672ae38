import type { Message } from './chat_template'

// The turns of conversations as records write them; every reader answers with messages, or says what is wrong.

export type JsonRecord = Record<string, unknown>

/** Why a record cannot be read: a sentence that begins with "expected". */
export interface Problem {
  problem: string
}

/** Names of speakers in ShareGPT and its kin, and what they are called everywhere else. */
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

export const isText = (value: unknown): value is string => typeof value === 'string'
export const isProblem = (value: object): value is Problem => 'problem' in value

export const user = (content: string): Message => ({ role: 'user', content })
export const assistant = (content: string): Message => ({ role: 'assistant', content })

/** Reads [{role, content}]; content may be a list of parts {type: "text", text}. Further keys are kept. */
export function readRoles(turns: readonly unknown[], name: string): Message[] | Problem {
  const messages: Message[] = []
  for (const [i, turn] of (turns as (JsonRecord | null)[]).entries()) {
    const content = contentOf(turn?.content)
    if (!turn || !isText(turn.role) || content === undefined)
      return { problem: `expected ${name}[${i}] to have a role and a content of text` }
    messages.push({ ...turn, role: turn.role, content })
  }
  return messages
}

/** Reads [{from, value}] of ShareGPT. */
export function readSpeakers(turns: readonly unknown[], name: string): Message[] | Problem {
  const messages: Message[] = []
  for (const [i, turn] of (turns as (JsonRecord | null)[]).entries()) {
    const from = turn?.from
    const role = isText(from) && Object.hasOwn(SPEAKERS, from) ? SPEAKERS[from] : undefined
    if (role === undefined || !isText(turn?.value)) {
      const known = Object.keys(SPEAKERS).join(', ')
      return { problem: `expected ${name}[${i}] to have a value of text and a from of ${known}` }
    }
    messages.push({ role, content: turn.value })
  }
  return messages
}

/** The turn of a record's key `system`, if it says something. */
export function systemTurn({ system }: JsonRecord): Message[] {
  return isText(system) && system !== '' ? [{ role: 'system', content: system }] : []
}

/** The keys of a record, as errors name them. */
export function keysOf(record: JsonRecord): string {
  return Object.keys(record).slice(0, 8).join(', ') || 'no keys'
}

function contentOf(content: unknown): string | undefined {
  if (isText(content)) return content
  if (!Array.isArray(content)) return undefined
  const texts = content.map((part) => (part?.type === 'text' ? part.text : undefined))
  return texts.every(isText) ? texts.join('') : undefined
}
