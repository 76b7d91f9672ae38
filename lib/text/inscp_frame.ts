/** What InsCP (arXiv 2405.20175) puts around a text: the model's own chat template, after an empty user turn. */
import { TongueforgeError } from '../errors'
import type { ChatTemplate, Message } from './chat_template'
import { type AssistantSlot, commonPrefix, splitAssistant } from './conversation'
import type { ModelText } from './model_text'

export interface FrameOptions {
  /** none: no system turn; default: what the template writes by itself, if anything; else the words of one. */
  system?: string | undefined
  /** paper: without the template's newlines, as the paper prints it. */
  template?: 'model' | 'paper' | undefined
}

export interface Frame extends AssistantSlot {
  /** The end-of-turn token, where the template closes without one and it is put there. */
  appended?: string
}

/**
 * The text before and after each document; it ends with the end-of-turn token. Throws ERR_TEMPLATE without a template
 * or a token that ends a turn, and where the template leaves the system's words out.
 */
export function inscpFrame(text: ModelText, { system, template = 'model' }: FrameOptions): Frame {
  const slot = slotOf(text, system)
  const { prefix, suffix } = template === 'paper' ? withoutNewlines(slot, system) : slot
  const token = endToken(text)
  const at = suffix.indexOf(token)
  return at < 0
    ? { prefix, suffix: suffix.trimEnd() + token, appended: token }
    : { prefix, suffix: suffix.slice(0, at + token.length) }
}

export function requireTemplate({ template }: ModelText): ChatTemplate {
  if (template !== undefined) return template
  throw new TongueforgeError('ERR_TEMPLATE', 'Expected a chat template, found none', {
    hint: 'Start from a chat model, or name a folder with one under tokenizer:.',
  })
}

const turn = (role: string, content: string): Message => ({ role, content })

function slotOf(text: ModelText, system: string | undefined): AssistantSlot {
  const template = requireTemplate(text)
  if (system === undefined || system === 'default') return splitAssistant(template, [turn('user', '')])
  if (system === 'none') return withoutSystem(text, template)
  const slot = splitAssistant(template, [turn('system', system), turn('user', '')])
  if (slot.prefix.includes(system.trim())) return slot
  throw new TongueforgeError(
    'ERR_TEMPLATE',
    "inscp.system: expected the system's words in what the chat template writes, found them left out or changed",
    { hint: 'Use system: none, or a template that has a system turn.', details: { key: 'inscp.system' } },
  )
}

// Word characters alone: nothing that a template trims or looks for.
const WORDS = 'xTONGUEFORGExTURNx'

/**
 * Templates that write a system prompt of their own do so before the first user turn or in it, never in later ones. So
 * where the first turns say more than later ones, the later ones are taken, after BOS.
 */
function withoutSystem(text: ModelText, template: ChatTemplate): AssistantSlot {
  const first = splitAssistant(template, [turn('user', '')])
  const later = laterTurns(template, first.suffix)
  if (later === undefined) return first
  const bos = text.bosTokenId === undefined ? undefined : text.tokenizer.idToToken(text.bosTokenId)
  const [a, b] = [first.prefix, later].map((turns) => afterBos(turns, bos))
  if (blankless(a!.rest).length <= blankless(b!.rest).length) return first
  return { prefix: a!.bos + b!.rest, suffix: first.suffix }
}

/** An empty user turn and the opening of the assistant's as they stand later in a conversation. */
function laterTurns(template: ChatTemplate, suffix: string): string | undefined {
  try {
    const before = [turn('user', WORDS), turn('assistant', WORDS), turn('user', '')]
    const following = splitAssistant(template, before).prefix.split(WORDS).at(-1)!
    const close = [suffix, suffix.trimEnd()].find((end) => following.startsWith(end))
    return close === undefined ? undefined : following.slice(close.length)
  } catch (error) {
    // A template that takes no second question: it has written all that it can in the first.
    if (error instanceof TongueforgeError && error.code === 'ERR_TEMPLATE') return undefined
    throw error
  }
}

function afterBos(turns: string, bos: string | undefined): { bos: string; rest: string } {
  const trimmed = turns.trimStart()
  if (!bos || !trimmed.startsWith(bos)) return { bos: '', rest: trimmed }
  const begins = turns.length - trimmed.length + bos.length
  return { bos: turns.slice(0, begins), rest: turns.slice(begins).trimStart() }
}

const blankless = (turns: string) => turns.replace(/\s+/g, '')

/** The words of the system keep theirs. */
function withoutNewlines({ prefix, suffix }: AssistantSlot, system: string | undefined): AssistantSlot {
  const words = system?.trim() || '\n'
  const parts = prefix.split(words).map((part) => part.replaceAll('\n', ''))
  return { prefix: parts.join(words === '\n' ? '' : words), suffix: suffix.replaceAll('\n', '') }
}

function endToken({ endOfTurnId, eosTokenId, tokenizer }: ModelText): string {
  const id = endOfTurnId ?? eosTokenId
  const token = id === undefined ? undefined : tokenizer.idToToken(id)
  if (token !== undefined) return token
  throw new TongueforgeError(
    'ERR_TEMPLATE',
    'Expected an end-of-turn or end-of-sequence token, found neither',
    { hint: 'Name eos_token in tokenizer_config.json: without it a model cannot learn to stop.' },
  )
}

/** The frame as ids, to find the text between them. */
export interface EncodedFrame {
  before: Int32Array
  /** Reversed: what is at the end is compared from there. */
  after: Int32Array
}

export async function encodeFrame(
  { tokenizer }: ModelText,
  { prefix, suffix }: AssistantSlot,
): Promise<EncodedFrame> {
  const [before, after] = await tokenizer.encodeBatch([prefix, suffix], { addSpecialTokens: false })
  return { before: before!, after: reversed(after!) }
}

/**
 * Where a document's own text begins and ends: tokens `start` to `end` - 1. Encoded alone, the frame may differ where
 * it meets the text: a token of both is the text's. Enough are the first and the last ids, as many as the frame has.
 */
export function bodyOf(ids: Int32Array, { before, after }: EncodedFrame): { start: number; end: number } {
  return { start: commonPrefix(ids, before), end: ids.length - commonPrefix(reversed(ids), after) }
}

const reversed = (ids: Int32Array) => ids.slice().reverse()
