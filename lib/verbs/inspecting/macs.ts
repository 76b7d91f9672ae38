/** Multiplications of a pass over so many tokens or seconds, as `inspect` tells them. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { weightNormName } from '../../counting/convolution'
import { countMacs, effectiveMacs, lengthFor, type MacParts, type Macs } from '../../counting/macs'
import type { ModelSize } from '../../counting/model_size'
import { TongueforgeError } from '../../errors'
import type { ValueCounts } from '../../native'

/** docs/counting.md says what is counted. All of one row, batch 1. */
export interface MacCounts extends Omit<Macs, 'positions'> {
  /** Of a text; of sound its places, which the blocks see. */
  tokens: number
  /** Of sound, where that was asked for. */
  seconds?: number
  parts: MacParts
  /** Without products with weights that are exactly zero; null where the values are not known. */
  effective: Pick<Macs, 'core' | 'superb'> | null
}

/** What to count for. */
export type MacRow = { tokens: number } | { seconds: number; rate: number }

interface Asked {
  macs?: boolean | undefined
  tokens?: number | undefined
  seconds?: number | undefined
}

/** Above it counts of the largest models are no longer exact in a double. */
const MOST_TOKENS = 2 ** 20
const MOST_SECONDS = 2 ** 14

/**
 * What to count for, or nothing where nothing is to be counted. `rate`: samples of a second of sound. Throws ERR_USAGE.
 */
export function macRow(asked: Asked, { kind }: Pick<ModelSpec, 'kind'>, rate: number): MacRow | undefined {
  const { macs = false, tokens, seconds } = asked
  const given = tokens !== undefined ? 'tokens' : seconds !== undefined ? 'seconds' : undefined
  if (!macs && given === undefined) return undefined
  if (!macs)
    throw usage(
      `macs: expected beside ${given}, received none`,
      given === 'seconds' ? '--macs --seconds 10' : '--macs --tokens 512',
    )
  if (seconds !== undefined) return { seconds: checkedSeconds(seconds, tokens, kind), rate }
  if (tokens !== undefined && Number.isInteger(tokens) && tokens >= 1 && tokens <= MOST_TOKENS)
    return { tokens }
  const received = tokens === undefined ? 'none' : tokens
  throw usage(
    `tokens: expected a whole number from 1 to ${MOST_TOKENS} beside macs, received ${received}`,
    kind === 'speech'
      ? 'Attention grows with the square of the length: say which, as in --macs --seconds 10.'
      : 'Attention grows with the square of the length: say which, as in --macs --tokens 512.',
  )
}

function checkedSeconds(seconds: number, tokens: number | undefined, kind: ModelSpec['kind']): number {
  if (kind !== 'speech')
    throw usage(
      'seconds: expected a speech encoder, received a model of text',
      'Say its tokens: --macs --tokens 512.',
    )
  if (tokens !== undefined)
    throw usage('seconds: expected seconds or tokens, received both', 'Leave one of them out.')
  if (seconds > 0 && seconds <= MOST_SECONDS) return seconds
  throw usage(
    `seconds: expected a number above 0, up to ${MOST_SECONDS}, received ${seconds}`,
    '--macs --seconds 10',
  )
}

/** Tokens, or samples of sound. */
export const lengthOf = (size: ModelSize, row: MacRow): number =>
  'tokens' in row ? lengthFor(size, row.tokens) : Math.round(row.seconds * row.rate)

export function countedMacs(size: ModelSize, row: MacRow, scan?: readonly ValueCounts[]): MacCounts {
  const length = lengthOf(size, row)
  const { core, superb, visible, parts, positions } = countMacs(size, length)
  const zeros = scan && new Map(scan.map(({ name, zero }) => [weightNormName(name), zero]))
  return {
    ...{ core, superb, tokens: positions, visible, parts },
    ...('seconds' in row && { seconds: row.seconds }),
    effective: (zeros && effectiveMacs(size, length, zeros)) ?? null,
  }
}

const usage = (message: string, hint: string) => new TongueforgeError('ERR_USAGE', message, { hint })
