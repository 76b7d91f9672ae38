/** The typed picture of the native merge folder: what its jobs are told and what they answer. */
import type { Problem } from '../errors'
import type { Handle } from '../native'

/** A model folder, and what its config says of the head. */
export interface GraftModel {
  folder: string
  tied: boolean
}

/** Two models, or a file with their difference. */
export type ChatVectorInputs = ({ base: GraftModel; chat: GraftModel } | { delta: string }) & {
  /** Of each of GraftInputs.tensors. */
  scales: readonly number[]
  /** Of each row of the output's vocabulary: the row in that model, or -1; absent: all models have the same rows. */
  base_rows?: Int32Array
  chat_rows?: Int32Array
}

/** See native/merge/graft/graft.h. */
export interface GraftInputs {
  target: GraftModel
  vectors: readonly ChatVectorInputs[]
  /** Tensors of the output that are scaled. */
  tensors: readonly string[]
  /** Of each row of the output's vocabulary: the target's row, or -1: the first chat model's own row comes in. */
  target_rows?: Int32Array
  sparsify?: { kind: 'ties' | 'dare'; density: number; seed: number }
}

export interface GraftPlan {
  bytes_to_read: number
  bytes_to_write: number
  /** The target's head is its embedding, the output's is not. */
  unties_head: boolean
  problems: Problem[]
}

/** Chunks of an output, compared with what its inputs give. */
export interface StreamCheck {
  /** Of the weights. */
  chunks: number
  /** That were made again. */
  chunks_checked: number
  /** In those. */
  bytes_checked: number
  /** Each chunk that differs: the first byte that does. */
  mismatches: { file: string; tensor: string; offset: number }[]
}

export interface ModuleStatistics {
  /** Of this kind. */
  tensors: number
  /** In those tensors. */
  elements: number
  /** Of the elements: other bits than before. */
  changed: number
  /** Of the elements of the result: infinite or not a number. */
  nonfinite: number
  /** Euclidean norm of chat - base over the module kind. */
  delta_l2: number
  /** Euclidean norm of the target over the module kind. */
  target_l2: number
}

export interface GraftStatistics {
  /** That the vector changed. */
  tensors_changed: number
  /** That it left as they were, bit for bit. */
  tensors_kept: number
  /** That take no part: integers, rotary tables. */
  tensors_copied: number
  /** Of weights. */
  bytes_read: number
  /** Of weights. */
  bytes_written: number
  /** Of bytes_written: by an earlier run, which was stopped. */
  bytes_resumed: number
  /** Values of the result that are infinite or not a number. */
  nonfinite: number
  /** By kind: attention, mlp, norm, embedding, head, other. */
  modules: Record<string, ModuleStatistics>
}

/** See native/merge/delta/delta_extract.h and delta_codec.h. */
export interface DeltaInputs {
  /** Model folders. */
  base: string
  chat: string
  base_tied: boolean
  chat_tied: boolean
  format: string
  density: number
  rank: number
  /** 0: `rank` decides. */
  energy: number
  factor_dtype: 'float32' | 'bfloat16'
  group: number
  /** Ranks that planDelta chose. */
  ranks: readonly { name: string; rank: number }[]
  /** Of the file, beside what the format needs. */
  metadata: readonly { key: string; value: string }[]
  /** Of each row of the chat model's vocabulary: the base's row, or -1; absent: both have the same rows. */
  base_rows?: Int32Array
  /** Rows of the chat model that are also stored as they are, for targets that lack their tokens; rising. */
  own_rows: Int32Array
}

export interface DeltaPlan {
  tensors: number
  bytes_to_write: number
  ranks: { name: string; rank: number }[]
  problems: Problem[]
}

export interface DeltaTensorDescription {
  /** As in the models. */
  name: string
  /** Sizes, the slowest first. */
  shape: number[]
  /** What it is stored as. */
  format: string
  /** Its values. */
  elements: number
  /** In the file. */
  bytes: number
}

/** Euclidean norms over values, and the second over the first. */
interface DeltaErrors {
  /** Of the difference. */
  delta_l2: number
  /** Of what the format loses of it. */
  error_l2: number
  /** error_l2 / delta_l2. */
  relative_error: number
  /** Of the base. */
  base_l2: number
}

export interface DeltaTensorFigures extends DeltaTensorDescription, DeltaErrors {}

export interface DeltaFigures extends DeltaErrors {
  /** Values of all tensors. */
  elements: number
  /** Of the file. */
  bytes: number
  /** The same values as float32. */
  dense_bytes: number
  /** dense_bytes / bytes. */
  ratio: number
  /** The same for each. */
  tensors: DeltaTensorFigures[]
}

export interface DeltaDescription {
  file_bytes: number
  metadata: Record<string, string>
  tensors: DeltaTensorDescription[]
}

/** The parts of a network that are scaled and compared apart: native/merge/graft/graft_report.cpp tells them by name. */
export const MODULE_KINDS = ['attention', 'mlp', 'norm', 'embedding', 'head', 'other'] as const
export type ModuleKind = (typeof MODULE_KINDS)[number]

/** A low-rank product on the layer `module`. */
export interface LowRankSettings {
  module: string
  rank: number
  /** What B A is multiplied by. */
  scale: number
}

export interface AdapterMergeInputs {
  /** Model folder. */
  model: string
  /** The adapter's weight file. */
  adapter: string
  adapters: readonly LowRankSettings[]
  tied: boolean
}

export interface AdapterMergePlan {
  bytes_to_read: number
  bytes_to_write: number
  problems: Problem[]
}

export interface AdapterMergeStatistics {
  /** With a product added. */
  tensors_merged: number
  /** Trained as a whole: PEFT's modules_to_save. */
  tensors_replaced: number
  /** As they were. */
  tensors_copied: number
  /** Of weights. */
  bytes_read: number
  /** Of weights. */
  bytes_written: number
  /** Values of merged tensors that are infinite or not a number. */
  nonfinite: number
  /** |rounded - exact| of the merged weights: the largest over the largest value of its tensor; sum over sum. */
  rounding: { max_relative: number; mean_relative: number }
}

/** Rows of new tokens in embedding and head: native/merge/rows/row_extension.h. */
export interface RowExtensionInputs {
  /** Model folder. */
  model: string
  /** Id of the first new token. */
  first: number
  /** Of each new token, the ids it was written with until now. */
  pieces: readonly Int32Array[]
  /** Rows of the result. */
  num_rows: number
  tied: boolean
}

export interface RowExtensionPlan {
  bytes_to_read: number
  bytes_to_write: number
  problems: Problem[]
}

export interface RowExtensionStatistics {
  /** That got rows. */
  tensors_extended: number
  /** As they were. */
  tensors_copied: number
  /** Of weights. */
  bytes_read: number
  /** Of weights. */
  bytes_written: number
  /** Values of new rows that are infinite or not a number. */
  nonfinite: number
}

/** Rows of tokens that some model lacks, and whose mean stands in; native/merge/vocabulary_rows.h. */
export interface StandInRows {
  /** Rows of the result, ascending. */
  stand_in_rows: Int32Array
  /** Where the owners of each end in the lists below. */
  stand_in_ends: Int32Array
  owner_models: Int32Array
  owner_rows: Int32Array
}

/** A merge as planned from a config: native/merge/config/config_merge.h. Models are called by their number. */
export interface ConfigMergeInputs {
  method: string
  /** Draws are mergekit's, and so is rounding where a tensor has a working dtype. */
  compat: boolean
  seed: number
  max_shard_bytes: number
  models: {
    folder: string
    tied: boolean
    /** Merged into it on the way. */
    adapter?: { path: string; modules: readonly LowRankSettings[] }
  }[]
  /** In the order in which shards are filled. */
  tensors: {
    name: string
    dtype: string
    /** compat: "F32", "BF16" or "F16", what inputs are cast to on load. */
    working_dtype?: string
    base?: { model: number; tensor: string }
    inputs: { model: number; tensor: string; parameters: Record<string, number> }[]
    parameters: Record<string, number>
    /** Its rows are those of `rows`; what each model has in its place. */
    row_tensors?: string[]
  }[]
  /** By model, the row for each row of the result, or -1. */
  rows?: { maps: Int32Array[] } & StandInRows
  /** Differs where anything above does but the models' files: work is only gone on with where it is the same. */
  settings: string
}

export interface ConfigMergePlan {
  bytes_to_read: number
  bytes_to_write: number
  /** Bytes of memory at most: methods that need whole tensors hold the largest. */
  peak_memory_bytes: number
  shards: number
  problems: Problem[]
}

export interface ConfigMergeStatistics {
  /** That were computed. */
  tensors_merged: number
  /** Passed through byte for byte. */
  tensors_copied: number
  /** Of weights. */
  bytes_read: number
  /** Of weights. */
  bytes_written: number
  /** Of bytes_written: by an earlier run, which was stopped. */
  bytes_resumed: number
  /** Values of the result that are infinite or not a number. */
  nonfinite: number
}

/** A row of the registry of merge methods: native/merge/methods/method.h. */
export interface MergeMethodDescription {
  name: string
  base: 'none' | 'optional' | 'required'
  min_inputs: number
  max_inputs: number
}

/** A model in memory with deltas on its weights: native/live/grafted_model.h. */
export interface GraftedModel {
  model: Handle
  tensors_changed: number
  /** Tensors that lie in memory once for both models. */
  tensors_shared: number
  /** Of the changed ones: memory on top of the target. */
  bytes_changed: number
}

/** Options and results of its jobs, by export. */
export interface MergingJobs {
  planAdapterMerge: [AdapterMergeInputs, AdapterMergePlan]
  mergeAdapter: [AdapterMergeInputs & { staged: string }, AdapterMergeStatistics]
  planGraft: [GraftInputs, GraftPlan]
  graft: [GraftInputs & { staged: string; threads: number }, GraftStatistics]
  checkGraft: [GraftInputs & { folder: string; chunks: number; seed: number }, StreamCheck]
  openDeltas: [GraftInputs, Handle]
  /** What those are added to; `spec` is the target's. */
  loadTarget: [GraftInputs & { spec: object; threads: number }, Handle]
  loadDeltas: [{ deltas: Handle; threads: number }, Handle]
  graftModel: [
    {
      model: Handle
      deltas: Handle
      /** Parameters that are not named: 1. */
      scales: readonly { name: string; scale: number }[]
      /** Of the result, where it is not to be the target's. */
      dtype?: string
      threads: number
    },
    GraftedModel,
  ]
  mergeMethods: [object, MergeMethodDescription[]]
  planConfigMerge: [ConfigMergeInputs & { threads: number }, ConfigMergePlan]
  configMerge: [ConfigMergeInputs & { staged: string; threads: number }, ConfigMergeStatistics]
  checkConfigMerge: [
    ConfigMergeInputs & { folder: string; chunks: number; seed_of_chunks: number },
    StreamCheck,
  ]
  planDelta: [DeltaInputs, DeltaPlan]
  extractDelta: [DeltaInputs & { staged: string }, DeltaFigures]
  inspectDelta: [{ path: string }, DeltaDescription]
  /** NaN where no tensor can be compared. */
  deltaDistance: [{ path: string; model: string }, { median: number; tensors: number }]
  planRowExtension: [RowExtensionInputs, RowExtensionPlan]
  extendRows: [RowExtensionInputs & { staged: string }, RowExtensionStatistics]
}
