/** A list of words, each with what it weighs: a file with a word or phrase a line, and a number behind a tab. */
import { readTextFile } from '../../checkpoint/json_file'
import { recordInput } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import { mapPaced } from '../../text/pause'
import type { ScorerKind } from './scorer'

const MAX_BYTES = 1 << 26
const WORDS = /[\p{L}\p{N}\p{M}'-]+/gu

export const LEXICON: ScorerKind = {
  check: async ({ scorer }) => void (await readWeights(scorer.lexicon!)),
  async identity({ scorer, signal }) {
    const input = await recordInput('scorer', scorer.lexicon!, [], signal)
    return { identity: { lexicon: input.files[0]!.sha256 }, inputs: [input] }
  },
  async open({ scorer }) {
    const weights = await readWeights(scorer.lexicon!)
    return { score: (texts, { signal }) => mapPaced(texts, (text) => weights.score(text), signal) }
  },
}

/** Lines that begin with # say nothing. Throws ERR_NOT_FOUND, ERR_DATA with file:line. */
export async function readWeights(file: string): Promise<LexiconWeights> {
  const text = await readTextFile(file, { code: 'ERR_DATA', maxBytes: MAX_BYTES })
  const entries: [string, number | undefined][] = []
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const [word = '', given] = line.split('\t')
    if (word.trim() === '' || line.startsWith('#')) continue
    const weight = given === undefined ? undefined : Number(given.trim() || Number.NaN)
    if (Number.isNaN(weight)) throw noNumber(file, i + 1, given!)
    entries.push([word.trim(), weight])
  }
  if (entries.length === 0)
    throw new TongueforgeError('ERR_DATA', `${file}: expected words, found none`, {
      hint: 'One a line; behind a tab a number, or nothing.',
      details: { file },
    })
  return new LexiconWeights(entries)
}

/**
 * Where words have weights, the sum x of those that stand in a text as x / sqrt(x² + 15), from -1 to 1: the normalisation of
 * VADER (Hutto & Gilbert 2014), without its rules for negation, capitals and adverbs. Where they have none, 1 for a text
 * that has any of them. Capital letters do not count.
 */
export class LexiconWeights {
  readonly #words = new Map<string, number>()
  /** Phrases, and words of scripts that put no blank between them: found anywhere. */
  readonly #parts: [string, number][] = []
  readonly #weighted: boolean

  constructor(entries: readonly (readonly [word: string, weight: number | undefined])[]) {
    this.#weighted = entries.some(([, weight]) => weight !== undefined)
    for (const [given, weight = 1] of entries) {
      const word = folded(given)
      if (isWord(word)) this.#words.set(word, weight)
      else this.#parts.push([word, weight])
    }
  }

  score(text: string): number {
    const read = folded(text)
    const words = read.match(WORDS) ?? []
    const ofWords = words.map((word) => this.#words.get(word) ?? 0)
    const ofParts = this.#parts.map(([part, weight]) => weight * (read.split(part).length - 1))
    if (!this.#weighted) return [...ofWords, ...ofParts].some((one) => one > 0) ? 1 : 0
    const sum = [...ofWords, ...ofParts].reduce((all, one) => all + one, 0)
    return sum / Math.sqrt(sum * sum + 15)
  }
}

const folded = (text: string) => text.toLowerCase().replaceAll('’', "'")

const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u

const isWord = (text: string) => text.match(WORDS)?.[0] === text && !UNSPACED.test(text)

const noNumber = (file: string, line: number, received: string) =>
  new TongueforgeError(
    'ERR_DATA',
    `${file}:${line}: expected a number behind the tab, received ${received}`,
    {
      hint: 'A word a line, then a tab and what it weighs; or words alone.',
      details: { file, line },
    },
  )
