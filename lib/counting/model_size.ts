/**
 * What a model is made of, as far as counting goes: sizes without values. A family's file beside this one makes it of
 * a config; parameters.ts and macs.ts count it.
 */
import type { ConvolutionSize } from './convolution'

/** y = W x + b with a W of (outputs, inputs), or with the product of two factors in its place. */
export interface LinearSize {
  /** On disk, without `.weight`. */
  name: string
  inputs: number
  outputs: number
  bias: boolean
  /** The factors are (rank, inputs) and (outputs, rank). */
  rank?: number | undefined
}

/** Attention of one block: over all positions, or over those that a mask lets through. */
export interface AttentionSize {
  heads: number
  head_dim: number
  /** No position sees those after it. */
  causal: boolean
  /** Causal only: a position sees itself and the window - 1 before it; 0: all. */
  window: number
  q: LinearSize
  k: LinearSize
  v: LinearSize
  o: LinearSize
}

/** One Transformer block. */
export interface BlockSize {
  attention: AttentionSize
  /** Up and down, or gate, up and down. */
  feed_forward: LinearSize[]
  /** Numbers in its norms. */
  norms: number
}

/** Rows that are looked up: nothing is multiplied. */
export interface TableSize {
  name: string
  rows: number
  columns: number
}

/** What is applied after the blocks. */
export interface HeadSize extends LinearSize {
  /** Where it runs: at each position, once for a row of them, or in training alone. */
  runs: 'position' | 'row' | 'training'
  /** Name of the table that is its weight, where it has none of its own. */
  tied?: string | undefined
}

/** How what goes in becomes positions: a token each, by convolutions over samples, or frames of a filterbank. */
export type InputSize =
  | { kind: 'tokens' }
  | { kind: 'convolutions'; layers: ConvolutionSize[] }
  | { kind: 'filterbank'; window: number; hop: number /** Frames that make one position. */; stacked: number }

export interface ModelSize {
  input: InputSize
  tables: TableSize[]
  /** Before the blocks, at each position. */
  projections: LinearSize[]
  /** Over the positions; what it gives is added to them. */
  positional?: ConvolutionSize | undefined
  blocks: BlockSize[]
  heads: HeadSize[]
  /** Numbers outside of all these: norms, single vectors. */
  norms: number
}

/** A matrix as it is stored: (rows, columns). */
export interface Matrix {
  /** Name of the tensor on disk. */
  tensor: string
  rows: number
  columns: number
}

/** The weight of a linear layer, or its two factors. */
export function matricesOf({ name, inputs, outputs, rank }: LinearSize): Matrix[] {
  if (rank === undefined) return [{ tensor: `${name}.weight`, rows: outputs, columns: inputs }]
  return [
    { tensor: `${name}.in.weight`, rows: rank, columns: inputs },
    { tensor: `${name}.out.weight`, rows: outputs, columns: rank },
  ]
}

export const attentionLinears = ({ q, k, v, o }: AttentionSize): LinearSize[] => [q, k, v, o]

/** In the order of the forward pass. */
export const blockLinears = ({ attention, feed_forward }: BlockSize): LinearSize[] => [
  ...attentionLinears(attention),
  ...feed_forward,
]
