import type { Message } from './chat_template'
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

/** A prompt with a better and a worse answer, for DPO and its kin. */
export interface Preference {
  /** Ends before the answers part; never empty. */
  prompt: Message[]
  /** What is to be said after the prompt: begins and ends with a turn of the assistant. */
  chosen: Message[]
  rejected: Message[]
}

/** Whether a record holds two answers. */
export function hasPreference(record: JsonRecord): boolean {
  return 'chosen' in record && 'rejected' in record
}

/**
 * Reads `chosen` and `rejected`, each a text, a turn {from, value} or {role, content}, or a list of turns, after a
 * `prompt` (a text or turns) or `conversations` (ShareGPT turns, as LLaMA-Factory writes them). Without either, the
 * prompt is what both lists of turns, or both dialogues "\n\nHuman: ...\n\nAssistant: ..." of HH-RLHF, begin with.
 */
export function readPreference(record: JsonRecord): Preference | Problem {
  if (!hasPreference(record)) return { problem: `expected chosen and rejected, found ${keysOf(record)}` }
  const before = promptOf(record)
  if (isProblem(before)) return before
  const chosen = turnsOf(record.chosen, 'chosen')
  if (isProblem(chosen)) return chosen
  const rejected = turnsOf(record.rejected, 'rejected')
  if (isProblem(rejected)) return rejected
  const whole = [chosen, rejected].map((answer) =>
    beginsWith(answer, before) ? answer : [...before, ...answer],
  )
  return divide(whole[0]!, whole[1]!)
}

function promptOf(record: JsonRecord): Message[] | Problem {
  const { prompt, conversations } = record
  if (prompt !== undefined && prompt !== null) {
    if (!isText(prompt)) return withSystem(record, turnsOf(prompt, 'prompt'))
    return withSystem(record, isDialogue(prompt) ? openDialogue(prompt) : [user(prompt)])
  }
  if (Array.isArray(conversations)) return withSystem(record, readSpeakers(conversations, 'conversations'))
  return systemTurn(record)
}

function withSystem(record: JsonRecord, turns: Message[] | Problem): Message[] | Problem {
  return isProblem(turns) ? turns : [...systemTurn(record), ...turns]
}

function turnsOf(value: unknown, name: string): Message[] | Problem {
  if (isText(value)) return isDialogue(value) ? dialogue(value) : [assistant(value)]
  const turns = Array.isArray(value) ? value : [value]
  const speaks = turns.some((turn) => turn !== null && typeof turn === 'object' && 'from' in turn)
  return speaks ? readSpeakers(turns, name) : readRoles(turns, name)
}

const isDialogue = (text: string) => text.startsWith('\n\nHuman:')

/** The turns of an HH-RLHF dialogue. */
function dialogue(text: string): Message[] {
  const parts = text.split(/\n\n(Human|Assistant):/).slice(1)
  const turns: Message[] = []
  for (let i = 0; i < parts.length; i += 2)
    turns.push((parts[i] === 'Human' ? user : assistant)(parts[i + 1]!.trim()))
  return turns
}

/** The turns of a prompt: an answer that is still to come ("\n\nAssistant:" at its end) is none. */
function openDialogue(text: string): Message[] {
  const turns = dialogue(text)
  const last = turns.at(-1)
  return last?.role === 'assistant' && last.content === '' ? turns.slice(0, -1) : turns
}

/** Cuts two conversations where they part; the prompt is what they share, up to a turn of the assistant. */
function divide(chosen: Message[], rejected: Message[]): Preference | Problem {
  let shared = 0
  while (shared < chosen.length - 1 && shared < rejected.length - 1 && same(chosen[shared], rejected[shared]))
    shared++
  const prompt = chosen.slice(0, shared)
  const answers = { chosen: chosen.slice(shared), rejected: rejected.slice(shared) }
  if (!prompt.some(({ role }) => role === 'user'))
    return { problem: 'expected a prompt that chosen and rejected answer, found none' }
  for (const [name, turns] of Object.entries(answers)) {
    if (turns[0]?.role !== 'assistant' || turns.at(-1)?.role !== 'assistant')
      return {
        problem: `expected ${name} to answer the prompt that both share, found a turn of another kind`,
      }
  }
  return { prompt, ...answers }
}

const same = (a?: Message, b?: Message) => a?.role === b?.role && a?.content === b?.content

function beginsWith(turns: readonly Message[], start: readonly Message[]): boolean {
  return start.length > 0 && turns.length > start.length && start.every((turn, i) => same(turn, turns[i]))
}
