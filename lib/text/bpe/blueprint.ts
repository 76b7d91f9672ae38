/** What stands around the tokens of a byte-level tokenizer: how text is normalised, cut into words and framed. */
import { join } from 'node:path'
import { type JsonObject, readJsonObject } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import { SPECIAL_FLAGS } from '../special_tokens'

export interface SpecialToken {
  content: string
  /** Flags of its entry in added_tokens. */
  flags: JsonObject
}

/** Keys of tokenizer.json. A post_processor names tokens with ids of its own vocabulary, until `withIds`. */
export interface Blueprint {
  normalizer: JsonObject | null
  pre_tokenizer: JsonObject
  post_processor: JsonObject | null
  decoder: JsonObject | null
  special: SpecialToken[]
}

/**
 * Words for every script: letters with their marks (which Indic and Thai vowels are), digits three at a time, runs of
 * other characters, line breaks; a space belongs to the word after it.
 */
const WORDS = [
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)",
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+',
  '\\p{N}{1,3}',
  ' ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*',
  '\\s*[\\r\\n]+',
  '\\s+(?!\\S)',
  '\\s+',
].join('|')

const BYTE_LEVEL = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }

export const specialToken = (content: string): SpecialToken => ({ content, flags: SPECIAL_FLAGS })

/** Ours: text goes in as it is and comes out as it was, byte for byte. */
export function ownBlueprint(bosToken: string | undefined): Blueprint {
  return {
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false },
        BYTE_LEVEL,
      ],
    },
    post_processor: bosToken === undefined ? BYTE_LEVEL : framing(bosToken),
    decoder: { ...BYTE_LEVEL, trim_offsets: true, use_regex: true },
    special: [],
  }
}

/** Puts a token before every text. */
function framing(token: string): JsonObject {
  const before = { SpecialToken: { id: token, type_id: 0 } }
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } })
  const template = {
    type: 'TemplateProcessing',
    single: [before, text('A', 0)],
    pair: [before, text('A', 0), before, text('B', 1)],
    special_tokens: { [token]: { id: token, ids: [0], tokens: [token] } },
  }
  return { type: 'Sequence', processors: [BYTE_LEVEL, template] }
}

const MAX_BYTES = 256 * 2 ** 20

/** That of the tokenizer in a folder. Throws ERR_TOKENIZER for one that does not cut text into bytes. */
export async function blueprintLike(folder: string): Promise<Blueprint> {
  const file = join(folder, 'tokenizer.json')
  const content = await readJsonObject(file, { code: 'ERR_TOKENIZER', maxBytes: MAX_BYTES })
  const { normalizer = null, pre_tokenizer, post_processor = null, decoder = null } = content as JsonObject
  const model = (content.model ?? {}) as JsonObject
  if (model.type !== 'BPE' || !isByteLevel(pre_tokenizer as JsonObject | null)) throw notByteLevel(file)
  const added = (content.added_tokens ?? []) as (JsonObject & { content: string })[]
  return {
    normalizer: normalizer as JsonObject | null,
    pre_tokenizer: pre_tokenizer as JsonObject,
    post_processor: post_processor as JsonObject | null,
    decoder: decoder as JsonObject | null,
    special: added
      .filter(({ special }) => special === true)
      .map(({ id: _, content: text, ...flags }) => ({ content: text, flags })),
  }
}

function isByteLevel(preTokenizer: JsonObject | null | undefined): boolean {
  if (preTokenizer?.type === 'Sequence')
    return ((preTokenizer.pretokenizers ?? []) as JsonObject[]).some(isByteLevel)
  return preTokenizer?.type === 'ByteLevel'
}

function notByteLevel(file: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_TOKENIZER',
    `${file}: expected a byte-pair tokenizer with a ByteLevel pre_tokenizer, found another kind`,
    {
      hint: 'Leave out like, or give a tokenizer such as that of Qwen, Llama 3 or GPT-2.',
      details: { file, key: 'pre_tokenizer' },
    },
  )
}

/** A post_processor whose tokens have the ids of a new vocabulary. Throws ERR_TOKENIZER for a token that it lacks. */
export function withIds(processor: JsonObject | null, ids: ReadonlyMap<string, number>): JsonObject | null {
  if (processor === null) return null
  const idOf = (token: string) => {
    const id = ids.get(token)
    if (id !== undefined) return id
    throw new TongueforgeError(
      'ERR_TOKENIZER',
      `post_processor: expected special tokens only, found ${JSON.stringify(token)}`,
      {
        hint: 'Name it as a special token.',
        details: { key: 'post_processor', token },
      },
    )
  }
  const pair = (value: unknown) => {
    const [token] = value as [string, number]
    return [token, idOf(token)]
  }
  const { type } = processor
  if (type === 'Sequence') {
    const processors = processor.processors as JsonObject[]
    return { ...processor, processors: processors.map((one) => withIds(one, ids)) }
  }
  if (type === 'BertProcessing' || type === 'RobertaProcessing')
    return { ...processor, sep: pair(processor.sep), cls: pair(processor.cls) }
  if (type !== 'TemplateProcessing') return processor
  const named = Object.entries(processor.special_tokens as Record<string, { tokens: string[] }>)
  const special = named.map(([name, entry]) => [name, { ...entry, ids: entry.tokens.map(idOf) }])
  return { ...processor, special_tokens: Object.fromEntries(special) }
}
