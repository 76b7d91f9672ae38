/** Spearman's rank correlation, and how often chance alone gives as strong a one. */
import { Random } from '../../text/random'

export interface Correlation {
  /** Null where all values of one side are the same. */
  rho: number | null
  /** Two-sided. */
  p: number | null
}

/** Permutations of one side that are drawn for p: it comes in steps of 1 / 10000. */
const PERMUTATIONS = 9999

/** Of pairs; equal values share the mean of their ranks. The same seed draws the same permutations. */
export function spearman(a: readonly number[], b: readonly number[], seed: number): Correlation {
  const [x, y] = [centredRanks(a), centredRanks(b)]
  const length = Math.sqrt(dot(x, x) * dot(y, y))
  if (length === 0) return { rho: null, p: null }
  const found = dot(x, y)
  const random = new Random(seed)
  let asStrong = 1 // the one that was found
  for (let i = 0; i < PERMUTATIONS; i++) {
    const order = random.permutation(x.length)
    const drawn = y.reduce((sum, rank, j) => sum + rank * x[order[j]!]!, 0)
    if (Math.abs(drawn) >= Math.abs(found) - 1e-9) asStrong++ // ranks are halves: no rounding is that large
  }
  return { rho: found / length, p: asStrong / (PERMUTATIONS + 1) }
}

/** Ranks from 1, less their mean. */
function centredRanks(values: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  const mean = (values.length + 1) / 2
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1 - mean)
}

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0)
