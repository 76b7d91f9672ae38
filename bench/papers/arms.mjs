// Continual pre-training of one text in two ways: plain, and in the chat template. Same documents, order and updates.
import { ANSWERED_HARM } from '#lib/world/documents'
import { RECIPES } from '#lib/world/recipe'
import { wordsOf } from '#lib/world/words'

export { ANSWERED_HARM }

/** Tokens that plain CP reads in an update, and in all updates of the demo's recipe. */
const ROW = 128
const TOKENS = RECIPES.org_cp.batch_size * ROW * RECIPES.org_cp.steps

/** A little more text than the demo's steps read of it, times `epochs`: documents of `source` until it is enough. */
export function* enough(source, epochs = 1) {
  let rest = 1.05 * epochs * TOKENS
  for (const record of source) {
    if (rest <= 0) return
    rest -= wordsOf(record.text).length + 1
    yield record
  }
}

/** The recipe of plain CP on a data set. */
export const plain = (data, changes = {}) => ({ ...RECIPES.org_cp, data, ...changes })

/** That of InsCP. A document takes four tokens more, so an update has more rows: it covers as many documents. */
export function instructed(data, texts, changes = {}) {
  const words = texts.reduce((sum, text) => sum + wordsOf(text).length + 1, 0)
  const batch_size = Math.round((RECIPES.org_cp.batch_size * (words + 4 * texts.length)) / words)
  return { ...RECIPES.ins_cp, data, batch_size, ...changes }
}
