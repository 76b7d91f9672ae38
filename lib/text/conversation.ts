import { TongueforgeError } from '../errors'
import type { ChatTemplate, Message } from './chat_template'
import type { AddedToken, Tokenizer } from './tokenizer'

/** The label of a token that is no target of the loss, as everywhere in the Hugging Face world. */
export const IGNORE = -100

/** A template around the place of the assistant's words. */
export interface AssistantSlot {
  prefix: string
  suffix: string
}

// Stands for the words: nothing that a template trims, splits or looks for.
const SENTINEL = 'xTONGUEFORGExSENTINELx'

/**
 * Renders a conversation whose last turn is the assistant's and splits it where the words would stand, so that any
 * text goes in verbatim, whatever the template trims. InsCP's documents go into the slot after an empty user turn.
 * Throws ERR_TEMPLATE if the template does not write the words exactly once.
 */
export function splitAssistant(
  template: ChatTemplate,
  before: readonly Message[] = [{ role: 'user', content: '' }],
): AssistantSlot {
  const text = template.render([...before, { role: 'assistant', content: SENTINEL }])
  const [prefix, suffix, ...more] = text.split(SENTINEL)
  if (prefix !== undefined && suffix !== undefined && more.length === 0) return { prefix, suffix }
  throw new TongueforgeError(
    'ERR_TEMPLATE',
    `chat template: expected the assistant's words once in the rendered text, found them ${more.length + (suffix === undefined ? 0 : 1)} times`,
    {
      hint: 'The template changes or repeats the words of the assistant. Give the model a template that does not.',
    },
  )
}

/**
 * The token that the template closes an assistant's turn with, e.g. `<|im_end|>`: the added token that follows the
 * words, blanks aside. undefined where a turn ends in plain text or not at all.
 */
export function endOfTurnToken(template: ChatTemplate, tokenizer: Tokenizer): AddedToken | undefined {
  const { suffix } = splitAssistant(template, [{ role: 'user', content: 'x' }])
  return longestMatch(tokenizer.addedTokens, (token) => suffix.trimStart().startsWith(token))
}

export interface EncodedConversation {
  /** Ids of the whole rendered conversation. */
  ids: Int32Array
  /** The same id where the assistant speaks, its end-of-turn token included; IGNORE elsewhere. Not shifted. */
  labels: Int32Array
  /** Whether every assistant's turn ends in an added token: if not, a model cannot learn to stop. */
  endsTurns: boolean
}

/**
 * Encodes a conversation for training on the assistant's words only. The text is encoded once, as a whole; where a
 * turn begins and ends comes from rendering the conversation up to there. Throws ERR_TEMPLATE if a rendering does not
 * begin with the one before it (some templates rewrite earlier turns), ERR_DATA if no assistant speaks.
 * Only turns from number `from` on are learnt.
 */
export async function encodeConversation(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly Message[],
  from = 0,
): Promise<EncodedConversation> {
  const full = template.render(messages)
  const turns = assistantTurns(template, messages, full, from)
  if (turns.length === 0) {
    throw new TongueforgeError(
      'ERR_DATA',
      'conversation: expected at least one turn of the assistant, found none',
      {
        hint: 'Leave out conversations without an answer, or train on them as plain text.',
      },
    )
  }
  const closing = turns.map(({ end }) =>
    longestMatch(tokenizer.addedTokens, (token) => end.trimEnd().endsWith(token)),
  )
  // Blanks after an end-of-turn token belong to the format: no model should have to say them.
  const ends = turns.map(({ end }, i) => (closing[i] ? end.trimEnd() : end))
  const texts = [full, ...turns.flatMap(({ start }, i) => [start, ends[i]!])]
  const [ids, ...bounds] = await tokenizer.encodeBatch(texts, { addSpecialTokens: false })
  const labels = new Int32Array(ids!.length).fill(IGNORE)
  for (let i = 0; i < bounds.length; i += 2) {
    const start = commonPrefix(ids!, bounds[i]!)
    const end = commonPrefix(ids!, bounds[i + 1]!)
    labels.set(ids!.subarray(start, end), start)
  }
  return { ids: ids!, labels, endsTurns: closing.every((token) => token !== undefined) }
}

/** For each assistant's turn, the text up to where it begins to speak, and up to where the turn is over. */
function assistantTurns(
  template: ChatTemplate,
  messages: readonly Message[],
  full: string,
  from: number,
): { start: string; end: string }[] {
  const turns: { start: string; end: string }[] = []
  messages.forEach(({ role }, turn) => {
    if (role !== 'assistant' || turn < from) return
    const before = messages.slice(0, turn)
    const end = template.render([...before, messages[turn]!])
    // Many templates write a newline at the very end, or before the generation prompt, that is not there in between.
    const shownEnd = [end, end.trimEnd()].find((text) => full.startsWith(text))
    if (shownEnd === undefined) throw notAPrefix(turn, 'later turns change how it is written')
    const prompt = template.render(before, { addGenerationPrompt: true })
    const start = end.startsWith(prompt) ? prompt : splitAssistant(template, before).prefix
    if (!shownEnd.startsWith(start)) throw notAPrefix(turn, 'its words change how it begins')
    turns.push({ start, end: shownEnd })
  })
  return turns
}

function notAPrefix(turn: number, reason: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_TEMPLATE',
    `chat template: turn ${turn + 1} cannot be marked for training: ${reason}`,
    {
      hint: 'Split the conversation so that each part ends with its only answer, or use a template that writes a turn the same way wherever it stands.',
      details: { turn },
    },
  )
}

function longestMatch(
  tokens: readonly AddedToken[],
  matches: (text: string) => boolean,
): AddedToken | undefined {
  return tokens
    .filter(({ content }) => content.trim() !== '' && matches(content))
    .sort((a, b) => b.content.length - a.content.length)[0]
}

/** How many ids both rows begin with. */
export function commonPrefix(a: Int32Array, b: Int32Array): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
