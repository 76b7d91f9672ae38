/** What must hold of an extended tokenizer before a model is published with it. */
import { TongueforgeError } from '../../errors'
import { type TextFigures, TextSums } from './figures'
import type { Extension } from './learn'

/** Throws ERR_VOCABULARY with some of the tokens that their own text does not give. */
export async function checkReachable({ bare, extended, first, learnt, special }: Extension): Promise<void> {
  const lost: string[] = []
  const texts = learnt.map(({ text }) => text)
  const rows = await bare.extended.encodeBatch(texts, { addSpecialTokens: false })
  const from = first + special.length
  for (const [i, ids] of rows.entries()) if (ids.length !== 1 || ids[0] !== from + i) lost.push(texts[i]!)
  for (const { id, content } of special) {
    const ids = await extended.encode(`x ${content} x`, { addSpecialTokens: false })
    if (!ids.includes(id)) lost.push(content)
  }
  if (lost.length > 0) throw failed(`${lost.length} new tokens cannot be reached`, lost)
}

/**
 * Texts as ids before and after. With each new token written as its pieces, the new ids must be the old ones, and both
 * must give the same text back. Throws ERR_VOCABULARY with the texts where that fails.
 */
export async function checkTexts(
  texts: readonly string[],
  extension: Extension,
  signal?: AbortSignal,
): Promise<TextFigures> {
  const { old, extended, first } = extension
  const sums = new TextSums(first)
  const wrong: string[] = []
  for (const text of texts) {
    signal?.throwIfAborted()
    const [before, after] = await Promise.all([old.encode(text), extended.encode(text)])
    sums.add(text, before, after)
    if (isExempt(after, extension)) continue
    const [was, is] = await Promise.all([old.decode(before), extended.decode(after)])
    if (was !== is || !equal(inPieces(after, extension), before)) wrong.push(text)
  }
  if (wrong.length > 0) throw failed(`${wrong.length} of ${texts.length} texts are cut otherwise`, wrong)
  return sums.figures()
}

/** Text of new tokens that the old tokenizer did not keep, or cut: special ones, and characters that it lost. */
function isExempt(ids: Int32Array, { first, special, learnt, lostCharacters }: Extension): boolean {
  return ids.some((id) => {
    if (id < first) return false
    const token = learnt[id - first - special.length]
    return (
      token === undefined || (lostCharacters.size > 0 && [...token.text].some((c) => lostCharacters.has(c)))
    )
  })
}

function inPieces(ids: Int32Array, { first, pieces }: Extension): number[] {
  const old: number[] = []
  for (const id of ids) id < first ? old.push(id) : old.push(...pieces[id - first]!)
  return old
}

function equal(a: readonly number[], b: Int32Array): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}

function failed(what: string, examples: readonly string[]): TongueforgeError {
  const shown = examples.slice(0, 5).map((text) => JSON.stringify(text.slice(0, 40)))
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `Expected an extended tokenizer that keeps every text; ${what}: ${shown.join(', ')}`,
    {
      hint: 'Nothing was written. Please report it with tokenizer.json: no tokenizer of this kind was known.',
      details: { texts: examples.slice(0, 20) },
    },
  )
}
