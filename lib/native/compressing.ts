/** The typed picture of the native compress folder: what its jobs are told and what they answer. */
import type { Handle, PackedBatch } from '../native'

/** What a technique works on, changed in place; it may leave it half-way where it fails or is cancelled. */
export interface CompressInputs {
  model: Handle
  /** Calibration rows; none where it looks at weights alone. */
  batches: readonly PackedBatch[]
  threads: number
}

/** Options and results of its jobs, by export: a row a technique. */
export interface CompressingJobs {
  factorModel: [CompressInputs & FactorSettings, FactoredLayer[]]
  pruneWeights: [CompressInputs & PruneSettings, PrunedTensor[]]
  quantizeWeights: [CompressInputs & QuantizeSettings, QuantizedTensor[]]
  pruneHeads: [RemovalInputs & HeadRemoval & UnitBudget, RemovedHeads]
  /** By their numbers, with the key heads that serve none of them. */
  keepHeads: [{ model: Handle; kept: readonly Int32Array[]; threads: number }, Pick<RemovedHeads, 'kept_kv'>]
  pruneRows: [RemovalInputs & RowRemoval & UnitBudget, RemovedRows]
  dropLayers: [RemovalInputs & LayerRemoval, DroppedLayers]
}

export interface PruneSettings {
  criterion: 'magnitude' | 'wanda' | 'sparsegpt'
  /** Share of the weights that go; not read where there is a pattern. */
  sparsity: number
  /** Of every `of` consecutive inputs, `kept` stay. */
  pattern?: { kept: number; of: number }
  /** `layers.3.self_attn.q_proj`: number of the block, name within it. */
  layers: readonly string[]
  /** Of magnitude. */
  scope: 'global' | 'layer' | 'row'
  biases: boolean
  /** Of sparsegpt: a share of the mean of the diagonal of H. */
  damping: number
  /** Of sparsegpt: columns. */
  block: number
}

/** What is left of a tensor. */
export interface PrunedTensor {
  name: string
  size: number
  zeros: number
  /** On calibration inputs: || (W - W') X || / || W X ||. */
  error?: number
  /** Of sparsegpt: what it took, and how often it had to be raised. */
  damping?: number
  retries?: number
}

export interface QuantizeSettings {
  bits: 4 | 8
  /** Inputs that share a scale; 0: all of an output. */
  group: number
  symmetric: boolean
  gptq: boolean
  /** Of gptq: a share of the mean of the diagonal of H. */
  damping: number
  layers: readonly string[]
}

/** What has become of a weight. */
export interface QuantizedTensor {
  name: string
  size: number
  zeros: number
  /** || W - W' || / || W || */
  weight_error: number
  /** gptq, on calibration inputs: || (W - W') X || / || W X ||; and that of nearest values. */
  error?: number
  error_of_nearest?: number
  damping?: number
  retries?: number
}

export interface FactorSettings {
  /** What an approximation is made for. */
  measure: 'weights' | 'outputs' | 'input_sizes'
  /** Of linear layers as `layers.3.self_attn.q_proj`; 0 where energy or budget say it. */
  ranks: Record<string, number>
  /** The share of its squared singular values that each keeps. */
  energy?: number
  /** Parameters of all of them together. */
  budget?: number
  /** Of ranks that are found. */
  multiple_of: number
  /** One matrix each, of this rank. */
  dense: boolean
}

export interface FactoredLayer {
  /** On disk. */
  name: string
  /** 0: it stayed as it was. */
  rank: number
  parameters: number
  /** |(W - W') X| / |W X|, measured, by what the approximation is made for. */
  error: number
  /** The same by the singular values that were dropped. */
  foretold: number
  /** What was added to the diagonal of X X^T, in parts of its mean. */
  damping: number
}

/** What takes parts out of a model by what the loss says of them: `loss` is the model's own, by its kind. */
export interface RemovalInputs extends CompressInputs {
  loss: 'language' | 'masked'
}

/** In heads, groups or rows: what each layer keeps, or how many go of all layers together, in blocks of a layer. */
export type UnitBudget = { keep: number[] } | { remove: number; block: number }

export interface HeadRemoval {
  criterion: 'l1' | 'data' | 'taylor'
  unit: 'group' | 'query'
}

/** By layer, in the numbering of before; views of Int32Array yet to be given. */
export interface RemovedHeads {
  /** Of query heads. */
  scores: number[][]
  kept: ArrayBuffer[]
  kept_kv: ArrayBuffer[]
}

export interface RowRemoval {
  criterion: 'l1' | 'activation' | 'taylor'
}

/** By layer, in the numbering of before. */
export interface RemovedRows {
  scores: number[][]
  kept: ArrayBuffer[]
}

/** How many layers go, or which ones stay. */
export type LayerRemoval = { criterion: 'influence' | 'angle' } & ({ count: number } | { kept: number[] })

/** In the numbering of before. */
export interface DroppedLayers {
  /** influence: of each layer; angle: of each stretch of as many as go; none where they were named. */
  scores: number[]
  kept: ArrayBuffer
}
