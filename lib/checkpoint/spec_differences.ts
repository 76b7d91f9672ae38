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

/** Warnings of where others differ from the one whose config the result gets. */
export function specDifferences(owner: NamedSpec, others: readonly NamedSpec[]): string[] {
  const warnings: string[] = []
  for (const other of others)
    for (const key of TOLD) {
      const [ours, theirs] = [owner, other].map(({ spec }) => JSON.stringify(spec[key]))
      if (ours !== theirs)
        warnings.push(`${key}: ${theirs} in ${other.name}; the result has ${ours} of ${owner.name}`)
    }
  return warnings
}

/** Throws ERR_SHAPE_MISMATCH for other heads. Models of other depths are told by the tensors that one lacks. */
export function checkSameHeads(owner: NamedSpec, other: NamedSpec): void {
  const theirs = headsOf(other.spec)
  for (const [layer, ours] of headsOf(owner.spec).entries()) {
    const key = HEADS.find((name) => theirs[layer] && theirs[layer][name] !== ours[name])
    if (key) throw otherSize(key, [ours[key], owner.name], [theirs[layer]![key], other.name])
  }
}

const headsOf = ({ head_dim, layers }: DecoderSpec): Heads[] =>
  layers.map(({ num_heads, num_kv_heads }) => ({ num_heads, num_kv_heads, head_dim }))

/** ERR_SHAPE_MISMATCH; of each what it has and where. */
export function otherSize(
  key: string,
  [ours, owner]: readonly [unknown, string],
  [theirs, other]: readonly [unknown, string],
): TongueforgeError {
  const what = key.includes('heads') || key === 'head_dim' ? 'heads' : key
  return new TongueforgeError(
    'ERR_SHAPE_MISMATCH',
    `Expected models with the same ${what}, received ${key} ${ours} (${owner}) and ${theirs} (${other})`,
    { hint: 'Only models of one size can be merged.', details: { key } },
  )
}

/**
 * Throws ERR_ARCHITECTURE for a model whose linear layers are products of two factors: a sum of products is none of
 * their factors.
 */
export function refuseFactored({ name, spec }: NamedSpec): void {
  const block = spec.layers.findIndex(({ ranks }) => Object.keys(ranks).length > 0)
  if (block < 0) return
  const [linear] = Object.keys(spec.layers[block]!.ranks)
  throw new TongueforgeError(
    'ERR_ARCHITECTURE',
    `${name}: expected linear layers that are whole, received layers.${block}.${linear} of two factors`,
    {
      hint: 'Weights of factors cannot be added. Compress the model with lowrank and `dense: true`, which multiplies them.',
      details: { layer: block, linear: linear! },
    },
  )
}
