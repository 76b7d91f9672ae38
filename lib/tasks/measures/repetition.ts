/**
 * How much answers repeat themselves: distinct-n (Li et al. 2016, arXiv 1510.03055) and the share of four-grams that were
 * there before.
 */
import { UNSPACED } from '../../text/unspaced'
import type { Measure } from '../generation'
import { mean } from '../metrics'

const UNITS = new RegExp(`[${UNSPACED}]\\p{M}*|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}'’])+`, 'gu')

/** Words, or characters where a script has no blanks between words; marks and blanks are none. */
export const unitsOf = (text: string): string[] => text.match(UNITS) ?? []

/** All runs of n units, and how many differ. */
function gramsOf(text: string, n: number): { all: number; different: number } {
  const units = unitsOf(text)
  const grams = units.slice(n - 1).map((_, i) => units.slice(i, i + n).join(' '))
  return { all: grams.length, different: new Set(grams).size }
}

/** The share of runs of n units that differ; an answer that has none tells nothing. */
const distinct = (n: number): Measure => ({
  of: ({ answers }) => {
    const shares = answers.flatMap(({ text }) => {
      const { all, different } = gramsOf(text, n)
      return all === 0 ? [] : [different / all]
    })
    return shares.length === 0 ? null : mean(shares)
  },
})

/** The share of runs of four units that were there before; none in an answer of fewer. */
export function repeatedFourGrams(text: string): number {
  const { all, different } = gramsOf(text, 4)
  return all === 0 ? 0 : (all - different) / all
}

export const REPETITION_MEASURES: Readonly<Record<string, Measure>> = {
  distinct_1: distinct(1),
  distinct_2: distinct(2),
  distinct_3: distinct(3),
  repeated_4grams: { of: ({ answers }) => mean(answers.map(({ text }) => repeatedFourGrams(text))) },
}
