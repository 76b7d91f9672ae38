/** What each training objective makes of a document: a row each. To add one: a row here, its name in config/train.ts. */
import type { TrainConfig } from '../config/train'
import { TongueforgeError } from '../errors'
import type { Message } from './chat_template'
import { encodeConversation, IGNORE } from './conversation'
import type { Document } from './documents'
import { bodyOf, encodeFrame, type FrameOptions, inscpFrame, requireTemplate } from './inscp_frame'
import type { ModelText } from './model_text'
import type { TokenDocument } from './tokens'

/** `system` and `template` are those of inscp. */
export interface ObjectiveOptions extends FrameOptions {
  /** inscp: which tokens are learnt. */
  loss: 'all' | 'assistant' | 'body'
  /** dpo: tokens of a prompt that are kept, its last ones; absent: all. */
  maxPrompt?: number | undefined
  /** masked: tokens of a piece that a text is cut into, special ones included; absent: texts stay whole. */
  pieceLength?: number | undefined
  /** Called with what is wrong with a document, which is then left out; without it the first such one throws. */
  onInvalid?: ((error: Error) => void) | undefined
}

export interface Objective {
  /** Whether documents may be cut where a row ends, stay whole, or stay whole with their neighbour. */
  packing: 'stream' | 'whole' | 'pairs'
  /** Whether documents stand in the chat template. */
  templated: boolean
  /** What native's trainer makes small. */
  loss: 'language' | 'preference' | 'masked'
  /** Encodes a slice of documents, in order. Throws ERR_DATA, with file:line, for what it cannot learn from. */
  encode(documents: readonly Document[], text: ModelText, options: ObjectiveOptions): Promise<TokenDocument[]>
}

export type ObjectiveName = Exclude<TrainConfig['objective'], 'distil'>

export const objectives: Record<ObjectiveName, Objective> = {
  cp: { packing: 'stream', templated: false, loss: 'language', encode: encodePlain },
  inscp: { packing: 'stream', templated: true, loss: 'language', encode: encodeTemplated },
  sft: { packing: 'whole', templated: true, loss: 'language', encode: encodeConversations },
  dpo: { packing: 'pairs', templated: true, loss: 'preference', encode: encodePreferences },
  masked: { packing: 'whole', templated: false, loss: 'masked', encode: encodePieces },
}

/** The row of the table by which a run reads its data: distil reads them as another objective does. */
export function objectiveOf({ objective, distil }: Pick<TrainConfig, 'objective' | 'distil'>): ObjectiveName {
  return objective === 'distil' ? distil.encode : objective
}

/** Continual pre-training: the text, with what the tokenizer puts around one. */
async function encodePlain(
  documents: readonly Document[],
  { tokenizer }: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const texts = plainTexts(documents, options)
  return (await tokenizer.encodeBatch(texts)).map((ids) => ({ ids }))
}

function plainTexts(documents: readonly Document[], options: ObjectiveOptions): string[] {
  return documents.flatMap((document) => {
    if ('text' in document) return [document.text]
    const hint = 'Use objective: sft, or inscp, which takes answers as texts.'
    return refuse(wrongKind(document, 'a text', hint), options)
  })
}

/**
 * Masked language modelling: pieces of a text, each between the special tokens that the tokenizer puts around one. The
 * labels say what may be hidden: all but special tokens. What is hidden is drawn for each epoch (masking.ts).
 */
async function encodePieces(
  documents: readonly Document[],
  { tokenizer }: ModelText,
  options: ObjectiveOptions,
): Promise<TokenDocument[]> {
  const { prefix, suffix } = await tokenizer.addedAround()
  const room = Math.max((options.pieceLength ?? Infinity) - prefix.length - suffix.length, 1)
  const rows = await tokenizer.encodeBatch(plainTexts(documents, options), { addSpecialTokens: false })
  return rows.flatMap((row) => {
    const pieces: TokenDocument[] = []
    for (let begin = 0; begin < row.length; begin += room) {
      const ids = Int32Array.from([...prefix, ...row.subarray(begin, begin + room), ...suffix])
      pieces.push({ ids, labels: ids.map((id) => (tokenizer.isSpecialToken(id) ? IGNORE : id)) })
    }
    return pieces
  })
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
  const { loss } = options
  const frame = inscpFrame(text, options)
  const bodies = documents.flatMap((document) => {
    if ('text' in document) return [document.text]
    if ('messages' in document) return document.messages.map(({ content }) => content)
    return refuse(wrongKind(document, 'a text or a conversation', PREFERENCE_HINT), options)
  })
  const rows = await text.tokenizer.encodeBatch(
    bodies.map((body) => frame.prefix + body + frame.suffix),
    { addSpecialTokens: false },
  )
  if (loss === 'all') return rows.map((ids) => ({ ids }))
  const encoded = await encodeFrame(text, frame)
  return rows.map((ids) => {
    const { start, end } = bodyOf(ids, encoded)
    const last = loss === 'body' ? end : ids.length
    return { ids, labels: ids.map((id, i) => (i >= start && i < last ? id : IGNORE)) }
  })
}

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
