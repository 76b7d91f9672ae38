/** What configs say differently although the weights fit each other. */
import { TongueforgeError } from '../errors'
import type { DecoderSpec } from './model_config'

export interface NamedSpec {
  /** In messages. */
  name: string
  spec: DecoderSpec
}

/** What makes equal shapes mean other things: heads that are cut otherwise. */
const REFUSED = ['num_heads', 'num_kv_heads', 'head_dim'] as const
/** What a result has from one model only. */
const TOLD = ['rope', 'rms_norm_eps', 'sliding_window', 'max_positions'] as const

/** Warnings of where others differ from the one whose config the result gets. Throws ERR_SHAPE_MISMATCH for other heads. */
export function specDifferences(owner: NamedSpec, others: readonly NamedSpec[]): string[] {
  const warnings: string[] = []
  for (const other of others) {
    const heads = REFUSED.find((key) => other.spec[key] !== owner.spec[key])
    if (heads) throw otherHeads(heads, owner, other)
    for (const key of TOLD) {
      const [ours, theirs] = [owner, other].map(({ spec }) => JSON.stringify(spec[key]))
      if (ours !== theirs)
        warnings.push(`${key}: ${theirs} in ${other.name}; the result has ${ours} of ${owner.name}`)
    }
  }
  return warnings
}

function otherHeads(key: (typeof REFUSED)[number], owner: NamedSpec, other: NamedSpec): TongueforgeError {
  return new TongueforgeError(
    'ERR_SHAPE_MISMATCH',
    `Expected models with the same heads, received ${key} ${owner.spec[key]} (${owner.name}) and ` +
      `${other.spec[key]} (${other.name})`,
    { hint: 'Only models of one size can be merged.', details: { key } },
  )
}
