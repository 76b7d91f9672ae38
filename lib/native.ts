/**
 * The one typed picture of the native addon, and the one way to run its jobs. Nothing else touches the addon raw.
 * Option keys are snake_case because C++ reads them as they stand.
 */
import { toTongueforgeError } from './errors'
import { loadAddon } from './libtorch'

declare const handleBrand: unique symbol
/** A native model, trainer or set of deltas. Freed by the garbage collector at the latest, by `dispose` at once. */
export interface Handle {
  readonly [handleBrand]: true
}

/** What every asynchronous export returns: a running job. */
export interface StartedJob {
  id: number
  promise: Promise<unknown>
}

/** Hears of a job: the newest progress (some are skipped) and all items since the last call, in order. */
export type JobListener = (progress: unknown, items: unknown[]) => void

type JobExport = (options: object, listener: JobListener) => StartedJob

export interface RuntimeInfo {
  /** libtorch's version at build time, "2.13.0". */
  torch_version: string
  /** Threads that libtorch uses unless told otherwise. */
  threads: number
  cuda: boolean
  /** Vector extensions in use: "DEFAULT", "AVX2", "AVX512". */
  cpu_capability: string
}

export interface TensorDescription {
  name: string
  /** As in safetensors: "F32", "BF16"... */
  dtype: string
  shape: number[]
}

/** Progress of everything that reads or writes weights. */
export interface ByteProgress {
  done_bytes: number
  total_bytes: number
}

/** Rows of packed documents laid end to end: Int32Array(rows * T) each. */
export interface PackedBatch {
  ids: Int32Array
  labels: Int32Array
  segments: Int32Array
  rows: number
  /** Preferences: the log-probability of each document's targets under the reference, row after row. */
  reference?: number[]
}

/** Values of one tensor that stand out. */
export interface ValueCounts {
  name: string
  nan: number
  inf: number
  /** -0.0 is a zero too. */
  zero: number
}

export interface WeightsInspection {
  tensors: TensorDescription[]
  files: { name: string; real_path: string; size: number }[]
  total_bytes: number
  scan?: ValueCounts[]
}

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
  problems: { code: string; message: string; hint: string }[]
}

/** Chunks of an output, compared with what its inputs give. */
export interface StreamCheck {
  chunks: number
  chunks_checked: number
  bytes_checked: number
  mismatches: { file: string; tensor: string; offset: number }[]
}

export interface ModuleStatistics {
  tensors: number
  elements: number
  changed: number
  nonfinite: number
  /** Euclidean norm of chat - base over the module kind. */
  delta_l2: number
  target_l2: number
}

export interface GraftStatistics {
  tensors_changed: number
  tensors_kept: number
  tensors_copied: number
  bytes_read: number
  bytes_written: number
  /** Of bytes_written: by an earlier run, which was stopped. */
  bytes_resumed: number
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
  problems: { code: string; message: string; hint: string }[]
}

export interface DeltaTensorDescription {
  name: string
  shape: number[]
  format: string
  elements: number
  bytes: number
}

/** Euclidean norms over values, and the second over the first. */
interface DeltaErrors {
  delta_l2: number
  error_l2: number
  relative_error: number
  base_l2: number
}

export interface DeltaTensorFigures extends DeltaTensorDescription, DeltaErrors {}

export interface DeltaFigures extends DeltaErrors {
  elements: number
  /** Of the file. */
  bytes: number
  dense_bytes: number
  ratio: number
  tensors: DeltaTensorFigures[]
}

export interface DeltaDescription {
  file_bytes: number
  metadata: Record<string, string>
  tensors: DeltaTensorDescription[]
}

/** A parameter that a model of some spec has. */
export interface ParameterDescription {
  name: string
  shape: number[]
  /** The weight of a linear layer: what an adapter may be put on. */
  linear: boolean
  module: ModuleKind
}

/** The parts of a network that are scaled and compared apart: native/merge/graft/graft_report.cpp tells them by name. */
export const MODULE_KINDS = ['attention', 'mlp', 'norm', 'embedding', 'head', 'other'] as const
export type ModuleKind = (typeof MODULE_KINDS)[number]

/** A model in memory with deltas on its weights: native/live/grafted_model.h. */
export interface GraftedModel {
  model: Handle
  tensors_changed: number
  /** Tensors that lie in memory once for both models. */
  tensors_shared: number
  /** Of the changed ones: memory on top of the target. */
  bytes_changed: number
}

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
  problems: { code: string; message: string; hint: string }[]
}

export interface AdapterMergeStatistics {
  tensors_merged: number
  /** Trained as a whole: PEFT's modules_to_save. */
  tensors_replaced: number
  tensors_copied: number
  bytes_read: number
  bytes_written: number
  nonfinite: number
  /** |rounded - exact| of the merged weights: the largest over the largest value of its tensor; sum over sum. */
  rounding: { max_relative: number; mean_relative: number }
}

/** Words as rows of token ids, and how far merging goes. See native/text/bpe_trainer.h. */
export interface BpeTraining {
  /** Text of each token, by id. */
  tokens: readonly string[]
  /** Ids of the words, end to end. */
  words: Int32Array
  /** Ids of each word. */
  lengths: Int32Array
  /** How often each word stands in the text. */
  counts: Float64Array
  /** Tokens at the end, those given included. */
  vocab_size: number
  /** A pair that is rarer is not merged. */
  min_count: number
  /** In characters; 0 = any. */
  max_token_length: number
  /** Ends once this share of the words of the text are one token each; 0 or absent = never. */
  coverage?: number
  /** Ids that no merge takes part in or ends in. */
  reserved?: Int32Array
  /** A pair whose text is a token already is not merged. */
  only_new?: boolean
  /** 0 = all cores. */
  threads: number
}

export interface BpeMerges {
  /** Int32Array of (left, right, result), in order of rank. New tokens are numbered on from the given ones. */
  merges: ArrayBuffer
  /** How often each pair stood in the text when it was merged. */
  counts: number[]
  /** Of the whole text. */
  tokens_before: number
  tokens_after: number
  /** Share of the words of the text that are one token. */
  coverage: number
}

/** Progress of counting towards a number that is known. */
export interface CountProgress {
  done: number
  total: number
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
  problems: { code: string; message: string; hint: string }[]
}

export interface RowExtensionStatistics {
  tensors_extended: number
  tensors_copied: number
  bytes_read: number
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
  problems: { code: string; message: string; hint: string }[]
}

export interface ConfigMergeStatistics {
  tensors_merged: number
  /** Passed through byte for byte. */
  tensors_copied: number
  bytes_read: number
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

export interface SamplingSettings {
  /** 0 = greedy. */
  temperature: number
  top_k: number
  top_p: number
  min_p: number
  repetition_penalty: number
  seed: number
}

export type OptimizerSettings = {
  /** Of the first moment; adafactor: 0 = there is none. */
  beta1: number
  eps: number
  weight_decay: number
  /** false: norms and biases are not decayed. */
  decay_all: boolean
} & ({ kind: 'adamw'; beta2: number } | { kind: 'adafactor'; decay_rate: number; clip_threshold: number })

export type LossSettings =
  | { kind: 'language'; z_loss?: number }
  | { kind: 'preference'; preference: PreferenceSettings }

export interface PreferenceSettings {
  kind: 'sigmoid' | 'hinge' | 'ipo' | 'simpo' | 'orpo'
  beta: number
  label_smoothing: number
  /** simpo: the margin asked for. */
  gamma: number
}

export interface StepOutcome {
  /** Mean over what the loss counts (target tokens), before the update. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  /** Target tokens. */
  tokens: number
  /** Why nothing was changed: not finite, or above a limit; empty: the update was taken. */
  refused: '' | 'non_finite' | 'spike'
  /** What else the loss tells, as means. */
  figures: Record<string, number>
}

/** Sums over a batch, and the number of what they are sums over. */
export interface LossSums {
  sum: number
  count: number
  figures: Record<string, number>
}

/** Options and results of the addon's jobs, by export. ArrayBuffers are views of numbers yet to be given. */
export interface NativeJobs {
  inspectWeights: [{ folder: string; scan: boolean }, WeightsInspection]
  stageFolder: [
    { out: string; overwrite: boolean; resume: boolean; inputs: readonly string[] },
    { path: string; removed_stale: string[]; resumed: boolean },
  ]
  checkOutput: [{ out: string; overwrite: boolean; inputs: readonly string[] }, undefined]
  publishFolder: [{ staged: string; out: string; overwrite: boolean }, undefined]
  keepFolder: [{ staged: string }, { kept: boolean }]
  discardFolder: [{ staged: string }, undefined]
  lockFile: [{ path: string; note: string }, { lock: Handle; left_behind: string }]
  matmulRate: [{ dtype: string; seconds: number; threads: number }, { flops_per_second: number }]
  loadModel: [{ folder: string; spec: object; dtype: string; threads: number }, Handle]
  initialiseModel: [{ spec: object; init: object; threads: number }, Handle]
  saveModel: [{ model: Handle; folder: string; dtype: string; max_shard_bytes: number }, { bytes: number }]
  logits: [{ model: Handle; rows: Int32Array[]; threads: number }, { data: ArrayBuffer; shape: number[] }]
  generate: [
    {
      model: Handle
      prompts: Int32Array[]
      max_new_tokens: number
      stop_ids: Int32Array
      stream: boolean
      threads: number
    } & SamplingSettings,
    { ids: ArrayBuffer; stopped: boolean }[],
  ]
  score: [
    {
      model: Handle
      rows: Int32Array[]
      window: number
      stride: number
      first_target: number
      threads: number
    },
    { tokens: number; nll: number }[],
  ]
  describeModel: [{ spec: object }, ParameterDescription[]]
  inspectAdapter: [{ path: string }, TensorDescription[]]
  attachAdapter: [
    { model: Handle; adapters: readonly LowRankSettings[]; dropout: number; seed: number },
    undefined,
  ]
  loadAdapter: [{ model: Handle; path: string }, undefined]
  saveAdapter: [{ model: Handle; also: readonly string[]; path: string }, undefined]
  planAdapterMerge: [AdapterMergeInputs, AdapterMergePlan]
  mergeAdapter: [AdapterMergeInputs & { staged: string }, AdapterMergeStatistics]
  makeTrainer: [
    {
      model: Handle
      optimizer: OptimizerSettings
      loss: LossSettings
      dtype: string
      frozen: readonly string[]
      seed: number
      /** Activation checkpointing; default: false. */
      recompute_blocks?: boolean
    },
    Handle,
  ]
  trainStep: [
    {
      trainer: Handle
      batches: PackedBatch[]
      lr: number
      clip: number
      step: number
      /** An update above one of them is a spike, and refused. */
      loss_limit?: number
      grad_norm_limit?: number
      threads: number
    },
    StepOutcome,
  ]
  trainGradients: [{ trainer: Handle; batches: PackedBatch[]; path: string; threads: number }, undefined]
  trainEvaluate: [{ trainer: Handle; batch: PackedBatch; threads: number }, LossSums]
  languageLoss: [{ model: Handle; batch: PackedBatch; threads: number }, LossSums]
  segmentLogProbs: [
    { model: Handle; batch: PackedBatch; threads: number },
    { sums: number[]; counts: number[] },
  ]
  trainSave: [{ trainer: Handle; path: string }, undefined]
  trainSnapshot: [{ trainer: Handle }, Handle]
  saveSnapshot: [{ snapshot: Handle; path: string }, undefined]
  trainResume: [{ trainer: Handle; path: string }, undefined]
  trainBpe: [BpeTraining, BpeMerges]
  planGraft: [GraftInputs, GraftPlan]
  graft: [GraftInputs & { staged: string; threads: number }, GraftStatistics]
  moduleKinds: [{ names: readonly string[] }, ModuleKind[]]
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
  planConfigMerge: [ConfigMergeInputs, ConfigMergePlan]
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

/** Exports that answer at once. */
export interface NativeCalls {
  version: string
  runtimeInfo(): RuntimeInfo
  cancelJob(id: number): void
  shutdownJobs(): void
  dispose(handle: Handle): void
}

export type Addon = NativeCalls & { [Name in keyof NativeJobs]: JobExport }

let addon: Addon | undefined

/** The addon, loaded with libtorch by the first call. Throws ERR_LIBTORCH or ERR_ADDON with what to do. */
export function native(): Addon {
  if (addon === undefined) {
    const loaded = loadAddon() as Addon
    // On the main thread Node runs no cleanup hooks at process.exit() or after an uncaught throw, while C++ static
    // destructors do run: stop this environment's jobs before that. In a worker it is harmless.
    process.once('exit', () => loaded.shutdownJobs())
    addon = loaded
  }
  return addon
}

export interface JobCallbacks<Progress = unknown, Item = unknown> {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: Progress) => void) | undefined
  onItem?: ((item: Item) => void) | undefined
}

/**
 * Runs one native job to its end. Rejects with `signal.reason` if it was aborted, with the error that a callback
 * threw, or with a TongueforgeError.
 */
export async function runJob<Name extends keyof NativeJobs, Progress = unknown, Item = unknown>(
  name: Name,
  options: NativeJobs[Name][0],
  { signal, onProgress, onItem }: JobCallbacks<Progress, Item> = {},
): Promise<NativeJobs[Name][1]> {
  signal?.throwIfAborted()
  let thrown: { error: unknown } | undefined
  const listener: JobListener = (progress, items) => {
    try {
      if (progress !== undefined) onProgress?.(progress as Progress)
      if (onItem !== undefined) for (const item of items) onItem(item as Item)
    } catch (error) {
      thrown ??= { error }
      throw error // tells the job that its reader is gone
    }
  }
  let cancel = () => {}
  try {
    const { id, promise } = native()[name](options, listener) // throws at once for options that cannot be read
    cancel = () => native().cancelJob(id)
    signal?.addEventListener('abort', cancel, { once: true })
    return (await promise) as NativeJobs[Name][1]
  } catch (error) {
    if (thrown !== undefined) throw thrown.error
    if (signal?.aborted && (error as { code?: unknown }).code === 'ABORT_ERR') throw signal.reason
    throw toTongueforgeError(error)
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}
