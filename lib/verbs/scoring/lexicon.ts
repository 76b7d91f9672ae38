/** A list of words, each with what it weighs: a file with a word or phrase a line, and a number behind a tab. */
import { readTextFile } from '../../checkpoint/json_file'
import { recordInput } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import { mapPaced } from '../../text/pause'
import { LexiconWeights } from './lexicon_weights'
import type { ScorerKind } from './scorer'

const MAX_BYTES = 1 << 26

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
    const weight = given === undefined ? undefined : decimal(given.trim())
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

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** NaN of what is none, or too large for one. */
const decimal = (text: string): number => {
  const number = DECIMAL.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(number) ? number : Number.NaN
}

const noNumber = (file: string, line: number, received: string) =>
  new TongueforgeError(
    'ERR_DATA',
    `${file}:${line}: expected a number behind the tab, received ${received}`,
    {
      hint: 'A word a line, then a tab and what it weighs; or words alone.',
      details: { file, line },
    },
  )
