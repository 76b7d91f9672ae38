// Sources that are encoded through a cache, and what is read back: what the tests of the cache share.
import { openCached } from '#lib/text/cache/cache'
import { ChatTemplate } from '#lib/text/chat_template'
import { resolveSource } from '#lib/text/documents'
import { Tokenizer } from '#lib/text/tokenizer'
import { byteLevelTokenizer, CHATML } from './tokenizers.mjs'

export const tokenizer = Tokenizer.fromJson(byteLevelTokenizer())
export const text = {
  tokenizer,
  template: new ChatTemplate(CHATML),
  eosTokenId: undefined,
  endOfTurnId: undefined,
}
export const cp = { objective: 'cp', options: { loss: 'all' }, text }
export const texts = Array.from({ length: 700 }, (_, i) => `hello ${i} ${'你好 world '.repeat(i % 40)}😀`)
export const jsonl = (list) => list.map((value) => `${JSON.stringify(value)}\n`).join('')

/** Opens a file through the cache of `options`. */
export async function open(path, options = {}, encoding = cp) {
  const { source = {}, ...rest } = options
  const resolved = await resolveSource({ path, ...source })
  return openCached(resolved, encoding, { invalid: 'fail', maxInvalid: 0.01, ...rest })
}

/** Ids and labels of all documents. */
export async function contents(tokens) {
  const all = []
  for (let document = 0; document < tokens.count; document++) {
    const [ids, labels] = [0, 0].map(() => new Int32Array(tokens.length(document)))
    await tokens.read(document, 0, ids, labels)
    all.push({ ids: [...ids], labels: [...labels] })
  }
  return all
}
