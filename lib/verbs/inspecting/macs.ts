/** Multiplications of a pass over so many tokens, as `inspect` tells them. */
import { countMacs, effectiveMacs, type MacParts, type Macs } from '../../counting/macs'
import type { ModelSize } from '../../counting/model_size'
import { TongueforgeError } from '../../errors'
import type { ValueCounts } from '../../native'

/** docs/counting.md says what is counted. All of one row of `tokens`, batch 1. */
export interface MacCounts extends Omit<Macs, 'positions'> {
  tokens: number
  parts: MacParts
  /** Without products with weights that are exactly zero; null where the values are not known. */
  effective: Pick<Macs, 'core' | 'superb'> | null
}

/** Above it counts of the largest models are no longer exact in a double. */
const MOST_TOKENS = 2 ** 20

/** Tokens to count for, or nothing where nothing is to be counted. Throws ERR_USAGE. */
export function macTokens({
  macs = false,
  tokens,
}: {
  macs?: boolean | undefined
  tokens?: number | undefined
}): number | undefined {
  if (!macs && tokens === undefined) return undefined
  if (!macs) throw usage('macs: expected beside tokens, received none', '--macs --tokens 512')
  if (tokens !== undefined && Number.isInteger(tokens) && tokens >= 1 && tokens <= MOST_TOKENS) return tokens
  const received = tokens === undefined ? 'none' : tokens
  throw usage(
    `tokens: expected a whole number from 1 to ${MOST_TOKENS} beside macs, received ${received}`,
    'Attention grows with the square of the length: say which, as in --macs --tokens 512.',
  )
}

export function countedMacs(size: ModelSize, tokens: number, scan?: readonly ValueCounts[]): MacCounts {
  const { core, superb, visible, parts } = countMacs(size, tokens)
  const zeros = scan && new Map(scan.map(({ name, zero }) => [name, zero]))
  return {
    ...{ core, superb, tokens, visible, parts },
    effective: (zeros && effectiveMacs(size, tokens, zeros)) ?? null,
  }
}

const usage = (message: string, hint: string) => new TongueforgeError('ERR_USAGE', message, { hint })
