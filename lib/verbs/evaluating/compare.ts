/** How much one model differs from another on the same documents: paired, so that hard documents are hard for both. */
import { mean, PERPLEXITIES, stderrOfMean } from '../../tasks/metrics'
import type { RollingSample, Sample } from './measure'
import { documentValue } from './record'

export interface Difference {
  /** This model less the one that it is compared with. */
  value: number
  /** Of `value`, from the differences of the single documents; null of one document. */
  stderr: number | null
  /** Within which the true difference lies in 95 of 100 cases; null of one document. */
  interval: [low: number, high: number] | null
}

/** Of the normal distribution: so many deviations to each side hold 95 %. */
const NORMAL_95 = 1.959963984540054

/** Of a metric that is a mean over documents, those that tell something of both, or of bits_per_byte; undefined of others. */
export function differenceOf(
  metric: string,
  samples: readonly Sample[],
  others: readonly Sample[],
): Difference | undefined {
  if (samples.every((sample) => 'values' in sample)) {
    const differences = samples.flatMap((sample, i) => {
      const [mine, theirs] = [documentValue(sample, metric), documentValue(others[i]!, metric)]
      return mine === null || theirs === null ? [] : [mine - theirs]
    })
    return differences.length === 0 ? undefined : meanDifference(differences)
  }
  return metric === 'bits_per_byte'
    ? bitsDifference(samples as readonly RollingSample[], others as readonly RollingSample[])
    : undefined
}

export const meanDifference = (differences: readonly number[]): Difference =>
  withInterval(mean(differences), stderrOfMean(differences))

// A ratio of sums: its deviation is that of what each text adds beyond its share of the bytes (linearised).
function bitsDifference(texts: readonly RollingSample[], others: readonly RollingSample[]): Difference {
  const bits = PERPLEXITIES.bits_per_byte!
  const value = bits(texts) - bits(others)
  const count = texts.length
  if (count < 2) return withInterval(value, null)
  const bytes = texts.reduce((sum, text) => sum + text.bytes, 0)
  const residuals = texts.map((text, i) => {
    const more = (others[i]!.log_likelihood - text.log_likelihood) / Math.LN2
    return more - value * text.bytes
  })
  const squares = residuals.reduce((sum, one) => sum + one * one, 0)
  return withInterval(value, Math.sqrt((count / (count - 1)) * squares) / bytes)
}

function withInterval(value: number, stderr: number | null): Difference {
  const half = stderr === null ? null : NORMAL_95 * stderr
  return { value, stderr, interval: half === null ? null : [value - half, value + half] }
}
