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
  pruneWeights: [CompressInputs & PruneSettings, PrunedTensor[]]
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
