/** What configs say differently although the weights fit each other. */
import { TongueforgeError } from '../errors'
import type { DecoderSpec } from './model_config'

export interface NamedSpec {
  /** In messages. */
  name: string
  spec: DecoderSpec
}

/** What makes equal shapes mean other things: heads that are cut otherwise. */
const HEADS = ['num_heads', 'num_kv_heads', 'head_dim'] as const
type Heads = Record<(typeof HEADS)[number], number>
/** What a result has from one model only. */
const TOLD = ['rope', 'rms_norm_eps', 'sliding_window', 'max_positions'] as const

/** Warnings of where others differ from the one whose config the result gets. Throws ERR_SHAPE_MISMATCH for other heads. */
export function specDifferences(owner: NamedSpec, others: readonly NamedSpec[]): string[] {
  const warnings: string[] = []
  for (const other of others) {
    checkHeads(owner, other)
    for (const key of TOLD) {
      const [ours, theirs] = [owner, other].map(({ spec }) => JSON.stringify(spec[key]))
      if (ours !== theirs)
        warnings.push(`${key}: ${theirs} in ${other.name}; the result has ${ours} of ${owner.name}`)
    }
  }
  return warnings
}

// Models of other depths are told by the tensors that one lacks.
function checkHeads(owner: NamedSpec, other: NamedSpec): void {
  const theirs = headsOf(other.spec)
  for (const [layer, ours] of headsOf(owner.spec).entries()) {
    const key = HEADS.find((name) => theirs[layer] && theirs[layer][name] !== ours[name])
    if (key) throw otherHeads(key, [ours[key], owner.name], [theirs[layer]![key], other.name])
  }
}

const headsOf = ({ head_dim, layers }: DecoderSpec): Heads[] =>
  layers.map(({ num_heads, num_kv_heads }) => ({ num_heads, num_kv_heads, head_dim }))

function otherHeads(
  key: keyof Heads,
  [ours, owner]: [number, string],
  [theirs, other]: [number, string],
): TongueforgeError {
  return new TongueforgeError(
    'ERR_SHAPE_MISMATCH',
    `Expected models with the same heads, received ${key} ${ours} (${owner}) and ${theirs} (${other})`,
    { hint: 'Only models of one size can be merged.', details: { key } },
  )
}
