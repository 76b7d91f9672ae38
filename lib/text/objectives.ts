/** What each training objective makes of a document: a row each. To add one: a row here, its name in config/train.ts. */
import { TongueforgeError } from '../errors'
import type { Message } from './chat_template'
import { commonPrefix, encodeConversation, IGNORE, splitAssistant } from './conversation'
import type { Document } from './documents'
import type { ModelText } from './model_text'
import type { TokenDocument } from './tokens'

export interface ObjectiveOptions {
  /** inscp: which tokens are learnt. */
  loss: 'all' | 'assistant' | 'body'
  /** inscp: a system turn before the empty user turn. */
  system?: string | undefined
  /** dpo: tokens of a prompt that are kept, its last ones; absent: all. */
  maxPrompt?: number | undefined
  /** Called with what is wrong with a document, which is then left out; without it the first such one throws. */
  onInvalid?: ((error: Error) => void) | undefined
}

export interface Objective {
  /** Whether documents may be cut where a row ends, stay whole, or stay whole with their neighbour. */
  packing: 'stream' | 'whole' | 'pairs'
  /** What native's trainer makes small. */
  loss: 'language' | 'preference'
  /** Encodes a slice of documents, in order. Throws ERR_DATA, with file:line, for what it cannot learn from. */
  encode(documents: readonly Document[], text: ModelText, options: ObjectiveOptions): Promise<TokenDocument[]>
}

export const objectives: Record<'cp' | 'inscp' | 'sft' | 'dpo', Objective> = {
  cp: { packing: 'stream', loss: 'language', encode: encodePlain },
  inscp: { packing: 'stream', loss: 'language', encode: encodeTemplated },
  sft: { packing: 'whole', loss: 'language', encode: encodeConversations },
  dpo: { packing: 'pairs', loss: 'preference', encode: encodePreferences },
}

/** Continual pre-training: the text, with what the tokenizer puts around one. */
async function encodePlain(
  documents: readonly Document[],
  { tokenizer }: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const texts = documents.flatMap((document) => {
    if ('text' in document) return [document.text]
    const hint = 'Use objective: sft, or inscp, which takes answers as texts.'
    return refuse(wrongKind(document, 'a text', hint), options)
  })
  return (await tokenizer.encodeBatch(texts)).map((ids) => ({ ids }))
}

/**
 * InsCP (arXiv 2405.20175): the text in the assistant's slot of the model's own template, after an empty user turn,
 * closed by the end-of-turn token. A question and its answer are two documents. As in transformers, what a template
 * renders is encoded as it is: BOS is there if the template writes it.
 */
async function encodeTemplated(
  documents: readonly Document[],
  text: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const { loss, system } = options
  const { prefix, suffix } = templateAround(text, system)
  const { tokenizer } = text
  const bodies = documents.flatMap((document) => {
    if ('text' in document) return [document.text]
    if ('messages' in document) return document.messages.map(({ content }) => content)
    return refuse(wrongKind(document, 'a text or a conversation', PREFERENCE_HINT), options)
  })
  const rows = await tokenizer.encodeBatch(
    bodies.map((body) => prefix + body + suffix),
    { addSpecialTokens: false },
  )
  if (loss === 'all') return rows.map((ids) => ({ ids }))
  const [before] = await tokenizer.encodeBatch([prefix], { addSpecialTokens: false })
  const [after] = await tokenizer.encodeBatch([suffix], { addSpecialTokens: false })
  return rows.map((ids) => {
    // Encoded alone, the frame may differ where it meets the text: a token of both is learnt.
    const start = commonPrefix(ids, before!)
    const end = ids.length - (loss === 'body' ? commonPrefix(reversed(ids), reversed(after!)) : 0)
    return { ids, labels: ids.map((id, i) => (i >= start && i < end ? id : IGNORE)) }
  })
}

const reversed = (ids: Int32Array) => ids.slice().reverse()

/** Templates run on the event loop: so many conversations take a few milliseconds of it. */
const RENDERED_AT_ONCE = 16

/** SFT: whole conversations, loss on the assistant's words and the end of each of its turns. */
async function encodeConversations(
  documents: readonly Document[],
  text: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const template = requireTemplate(text)
  const encode = async (document: Document): Promise<TokenDocument[]> => {
    if (!('messages' in document)) {
      const hint = 'text' in document ? 'Use objective: cp or inscp for texts.' : PREFERENCE_HINT
      return refuse(wrongKind(document, 'a conversation', hint), options)
    }
    return orRefuse(document, options, async () => {
      const { ids, labels } = await encodeConversation(text.tokenizer, template, document.messages)
      return [{ ids, labels }]
    })
  }
  return renderAll(documents, encode)
}

/**
 * DPO and its kin: two documents of each preference, the prompt with the chosen and then with the rejected answer; loss
 * on what the assistant says after the prompt, the end of each of its turns included.
 */
async function encodePreferences(
  documents: readonly Document[],
  text: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const template = requireTemplate(text)
  const encode = async (document: Document): Promise<TokenDocument[]> => {
    if (!('chosen' in document))
      return refuse(
        wrongKind(document, 'a preference', 'Its records need chosen and rejected answers.'),
        options,
      )
    const { prompt, chosen, rejected } = document
    const answer = (turns: Message[]) =>
      encodeConversation(text.tokenizer, template, [...prompt, ...turns], prompt.length)
    return orRefuse(document, options, async () =>
      (await Promise.all([answer(chosen), answer(rejected)])).map((row) =>
        lastOfPrompt(row, options.maxPrompt),
      ),
    )
  }
  return renderAll(documents, encode)
}

function lastOfPrompt({ ids, labels }: { ids: Int32Array; labels: Int32Array }, count = Infinity) {
  const prompt = labels.findIndex((label) => label !== IGNORE)
  const from = Math.max(prompt - count, 0)
  return { ids: ids.subarray(from), labels: labels.subarray(from) }
}

async function renderAll(
  documents: readonly Document[],
  encode: (document: Document) => Promise<TokenDocument[]>,
): Promise<TokenDocument[]> {
  const all: TokenDocument[] = []
  for (let i = 0; i < documents.length; i += RENDERED_AT_ONCE)
    all.push(...(await Promise.all(documents.slice(i, i + RENDERED_AT_ONCE).map(encode))).flat())
  return all
}

/** Tells of a document that is then left out, or throws. */
function refuse(error: TongueforgeError, { onInvalid }: ObjectiveOptions): [] {
  if (!onInvalid) throw error
  onInvalid(error)
  return []
}

/** What is made of a document, unless its template or words forbid it. */
async function orRefuse(
  document: Document,
  options: ObjectiveOptions,
  make: () => Promise<TokenDocument[]>,
): Promise<TokenDocument[]> {
  try {
    return await make()
  } catch (error) {
    if (!(error instanceof TongueforgeError) || error.code === 'ERR_TOKENIZER') throw error
    return refuse(placed(error, document), options)
  }
}

/** What a template says of a conversation, with the place of the record. */
function placed({ code, message, hint, details, cause }: TongueforgeError, { file, line }: Document) {
  return new TongueforgeError(code, `${file}:${line}: ${message}`, {
    hint,
    details: { ...details, file, line },
    cause,
  })
}

function templateAround(text: ModelText, system: string | undefined): { prefix: string; suffix: string } {
  const before = [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: '' },
  ]
  const { prefix, suffix } = splitAssistant(requireTemplate(text), before)
  const endOfTurn = text.endOfTurnId ?? text.eosTokenId
  const token = endOfTurn === undefined ? undefined : text.tokenizer.idToToken(endOfTurn)
  if (token === undefined) {
    throw new TongueforgeError(
      'ERR_TEMPLATE',
      'Expected an end-of-turn or end-of-sequence token, found neither',
      {
        hint: 'Name eos_token in tokenizer_config.json: without it a model cannot learn to stop.',
      },
    )
  }
  const closed = suffix.trimEnd()
  return { prefix, suffix: closed.endsWith(token) ? closed : closed + token }
}

function requireTemplate({ template }: ModelText) {
  if (template !== undefined) return template
  throw new TongueforgeError('ERR_TEMPLATE', 'Expected a chat template, found none', {
    hint: 'Start from a chat model, or name a folder with one under tokenizer:.',
  })
}

const PREFERENCE_HINT =
  'Use objective: dpo. Or say format: messages if its records hold conversations as well as answers to compare.'

/** What a document is, as errors say it. */
const kindOf = (document: Document) =>
  'text' in document ? 'a text' : 'messages' in document ? 'a conversation' : 'a preference'

function wrongKind(document: Document, expected: string, hint: string): TongueforgeError {
  const { file, line } = document
  return new TongueforgeError(
    'ERR_DATA',
    `${file}:${line}: expected ${expected}, received ${kindOf(document)}`,
    { hint, details: { file, line } },
  )
}
