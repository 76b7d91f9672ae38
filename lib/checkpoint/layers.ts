/** The blocks of a Transformer: sizes that may differ from one to the next, and the linear layers that follow from them. */

import type { RefuseKey } from './config_checks'

/** One block; what pruning and low-rank approximation change. snake_case because native code reads it as it stands. */
export interface LayerSpec {
  /** Attention heads. */
  num_heads: number
  /** Heads of keys and values, which groups of attention heads share. */
  num_kv_heads: number
  /** Width of the feed-forward network. */
  intermediate_size: number
  /** Sliding window in tokens: a position sees itself and the window - 1 before it; 0: all before it. */
  window: number
  /** Of linear layers that are the product of two: their rank, by name within the block (`self_attn.q_proj`). */
  ranks: Record<string, number>
}

/** A linear layer within a block. */
export interface LayerLinear {
  /** `self_attn.q_proj`. */
  name: string
  out: number
  in: number
  bias: boolean
}

export const sizesOf = ({ num_heads, num_kv_heads, intermediate_size }: LayerSpec) =>
  `${num_heads}/${num_kv_heads}/${intermediate_size}`

/** Whether all blocks are of one size and none is factored: then stock loaders can take the model. */
export function areUniform(layers: readonly LayerSpec[]): boolean {
  const first = layers[0]
  return layers.every((layer) => sizesOf(layer) === sizesOf(first!) && Object.keys(layer.ranks).length === 0)
}

/** Refuses ranks of layers that there are not, and ranks above that of a whole matrix. */
export function checkRanks(linears: readonly LayerLinear[], { ranks }: LayerSpec, refuse: RefuseKey): void {
  const byName = new Map(linears.map((linear) => [linear.name, linear]))
  for (const [name, rank] of Object.entries(ranks)) {
    const linear =
      byName.get(name) ?? refuse('layers.ranks', `names among ${[...byName.keys()].join(', ')}`, name)
    const most = Math.min(linear.in, linear.out)
    if (rank > most) refuse(`layers.ranks.${name}`, `a rank of at most ${most}`, rank)
  }
}
