// Models of one architecture whose vocabularies differ as those of chat vectors do: ids in another order, tokens that one
// has and another lacks, rows to spare, tags of a chat model.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { tokenizerJson } from '#lib/text/bpe/tokenizer_json'
import { writeBpeModel } from './bpe_model.mjs'
import { byteLevelOn, sentencePieceOn } from './bpe_tokenizers.mjs'
import { BYTES, CHATML } from './tokenizers.mjs'

const TEXT = 'the cat sat on the mat and the rat sat on the cat'
const TAGS = ['<|im_start|>', '<|im_end|>', '<|reserved|>']

/** With the ids of the model's own tokens in the reverse order. */
function reversed(json) {
  const { model, ...around } = JSON.parse(json)
  const added = new Set(around.added_tokens.map(({ content }) => content))
  const own = Object.entries(model.vocab).filter(([token]) => !added.has(token))
  const ids = own.map(([, id]) => id).reverse()
  const vocab = [...Object.entries(model.vocab), ...own.map(([token], i) => [token, ids[i]])]
  return tokenizerJson(around, model, new Map(vocab))
}

/** With tokens of two bytes that no other model has: those of `ß`, `à` and `é`. */
function longer(json) {
  const pairs = [0x9f, 0xa0, 0xa9].map((byte) => [BYTES[0xc3], BYTES[byte]])
  return new BpeFile(json).extended(
    [],
    pairs.map((parts) => ({ text: parts.join(''), parts })),
  )
}

function withTags(json) {
  const file = new BpeFile(json)
  return file.extended(
    TAGS.map((content, i) => ({ id: file.size + i, content })),
    [],
  )
}

/** What differs, by case: the tokenizers of target, base and chat model, and options of the models. */
export const CASES = {
  'the base has its ids in another order': async () => {
    const one = await byteLevelOn(TEXT, 15)
    return { target: [one], base: [reversed(one)], chat: [one] }
  },
  'the target is longer and padded, the chat model has tags': async () => {
    const one = await byteLevelOn(TEXT, 15)
    return {
      target: [longer(one), { spare: 5 }],
      base: [one],
      chat: [withTags(one), { spare: 2 }],
    }
  },
  'tied, bfloat16, in shards, and the embedding grows': async () => {
    const one = await byteLevelOn(TEXT, 15)
    const options = { tied: true, dtype: 'bfloat16', shard: 20000 }
    return { target: [longer(one), options], base: [reversed(one), options], chat: [withTags(one), options] }
  },
  'base and chat model write as SentencePiece does, the target in bytes': async () => {
    const pieces = await sentencePieceOn(TEXT, 15)
    return {
      target: [await byteLevelOn(TEXT, 20), { spare: 1 }],
      base: [pieces],
      chat: [withTags(reversed(pieces))],
    }
  },
  'the target is smaller than base and chat model': async () => {
    const [small, large] = [await byteLevelOn(TEXT, 4), await byteLevelOn(TEXT, 20)]
    return { target: [small], base: [large], chat: [withTags(large)] }
  },
}

/** Writes the three models of a case. The chat model has ChatML and stops at `<|im_end|>` where it has tags. */
export async function writeCase(name, root) {
  const made = await CASES[name]()
  const folders = {}
  for (const [i, role] of ['target', 'base', 'chat'].entries()) {
    const [tokenizer, options = {}] = made[role]
    folders[role] = await writeBpeModel(join(root, role), tokenizer, { ...options, seed: i + 1 })
  }
  if (made.chat[0].includes('<|im_end|>')) {
    writeFileSync(join(folders.chat, 'chat_template.jinja'), CHATML)
    const settings = { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '<|im_end|>' }
    writeFileSync(join(folders.chat, 'tokenizer_config.json'), JSON.stringify(settings))
  }
  return folders
}

/**
 * What each token of a tokenizer means: an added one itself, any other its bytes, written in Latin-1. A piece for a byte
 * that has a token of its own is nothing but that piece.
 */
export function meaningsOf(tokenizer, json) {
  const pieces = JSON.parse(json).model.byte_fallback === true
  const added = new Set(tokenizer.addedTokens.map(({ content }) => content))
  const textOf = (token) =>
    pieces
      ? Buffer.from(token.replaceAll('▁', ' ')).toString('latin1')
      : Buffer.from([...token].map((character) => BYTES.indexOf(character))).toString('latin1')
  const byteOf = (token) => (pieces ? /^<0x(..)>$/.exec(token)?.[1] : undefined)
  const vocabulary = [...tokenizer.vocabulary()]
  const texts = new Set(
    vocabulary.filter(([token]) => !added.has(token) && !byteOf(token)).map(([token]) => textOf(token)),
  )
  return vocabulary.map(([token, id]) => {
    if (added.has(token)) return { id, meaning: `tag ${token}` }
    const byte = byteOf(token)
    const meaning = byte ? Buffer.from(byte, 'hex').toString('latin1') : textOf(token)
    return { id, meaning: byte && texts.has(meaning) ? `piece ${token}` : meaning }
  })
}
