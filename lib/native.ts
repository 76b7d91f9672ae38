/**
 * The one typed picture of the native addon, and the one way to run its jobs. Nothing else touches the addon raw.
 * Option keys are snake_case because C++ reads them as they stand.
 */
import { toTongueforgeError } from './errors'
import { loadAddon } from './libtorch'
import type { AudioJobs } from './native/audio'
import type { ClusterJobs } from './native/clusters'
import type { CompressingJobs } from './native/compressing'
import type { ConvertingJobs } from './native/converting'
import type { LowRankSettings, MergingJobs, ModuleKind } from './native/merging'
import type { ModelJobs } from './native/models'
import type { ProbeJobs } from './native/probe'
import type { EngineStats, RequestSettings, ServingJobs } from './native/serving'
import type { NativeStats } from './native/stats'
import type { TextJobs } from './native/text'
import type { TrainingJobs } from './native/training'

export * from './native/audio'
export * from './native/clusters'
export * from './native/compressing'
export * from './native/converting'
export * from './native/merging'
export * from './native/models'
export * from './native/probe'
export * from './native/serving'
export * from './native/speed'
export * from './native/stats'
export * from './native/text'
export * from './native/training'

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
  /** That libtorch sees. */
  gpus: number
  /** Whether this build has the CUDA kernels. */
  cuda_kernels: boolean
  /** Vector extensions in use: "DEFAULT", "AVX2", "AVX512". */
  cpu_capability: string
}

export interface CudaDevice {
  /** As the option `device` takes it: "cuda:0". */
  device: string
  name: string
  /** All of it, in use or not. */
  memory_bytes: number
  /** "9.0" */
  compute_capability: string
}

export interface CudaDevices {
  devices: CudaDevice[]
  /** Why there are none, in CUDA's words; empty where there are. */
  problem: string
}

export interface TensorDescription {
  /** In the weight file. */
  name: string
  /** As in safetensors: "F32", "BF16"... */
  dtype: string
  /** Sizes, the slowest first. */
  shape: number[]
}

/** Progress of everything that reads or writes weights. */
export interface ByteProgress {
  /** So far. */
  done_bytes: number
  /** In all. */
  total_bytes: number
}

/** Rows of packed documents laid end to end: Int32Array(rows * T) each. Of sound there are no ids. */
export interface PackedBatch {
  ids: Int32Array
  labels: Int32Array
  segments: Int32Array
  rows: number
  /** A row each: frames of `frame_width` values laid end to end, or samples where that is 0. */
  sounds?: Float32Array[]
  frame_width?: number
  /** 1 where sound is not heard. */
  hidden?: Int32Array
  /** Preferences: the log-probability of each document's targets under the reference, row after row. */
  reference?: number[]
}

/** Values of one tensor that stand out. */
export interface ValueCounts {
  /** Of the tensor. */
  name: string
  /** Values that are not a number. */
  nan: number
  /** Infinite values. */
  inf: number
  /** -0.0 is a zero too. */
  zero: number
}

/** A weight that is stored as whole numbers, in several tensors. */
export interface PackedDescription {
  /** Of the weight itself: `X.weight`; and of the tensors that hold it. */
  name: string
  stored_as: string[]
  shape: number[]
  bits: 4 | 8
  /** Of its scales: not a number, infinite. */
  nan: number
  inf: number
  zero: number
}

export interface WeightsInspection {
  tensors: TensorDescription[]
  files: { name: string; real_path: string; size: number }[]
  total_bytes: number
  scan?: ValueCounts[]
}

/** Progress of counting towards a number that is known. */
export interface CountProgress {
  done: number
  total: number
}

/** Options and results of the addon's jobs, by export. ArrayBuffers are views of numbers yet to be given. */
export interface NativeJobs
  extends AudioJobs,
    ClusterJobs,
    CompressingJobs,
    ConvertingJobs,
    MergingJobs,
    ModelJobs,
    ProbeJobs,
    ServingJobs,
    TextJobs,
    TrainingJobs {
  inspectWeights: [{ folder: string; scan: boolean }, WeightsInspection]
  inspectPacked: [{ folder: string }, PackedDescription[]]
  stageFolder: [
    { out: string; overwrite: boolean; resume: boolean; inputs: readonly string[] },
    { path: string; removed_stale: string[]; resumed: boolean },
  ]
  checkOutput: [{ out: string; overwrite: boolean; inputs: readonly string[] }, undefined]
  publishFolder: [{ staged: string; out: string; overwrite: boolean }, undefined]
  keepFolder: [{ staged: string }, { kept: boolean }]
  discardFolder: [{ staged: string }, undefined]
  lockFile: [{ path: string; note: string; ended?: string }, { lock: Handle; left_behind: string }]
  matmulRate: [
    { dtype: string; device: string; seconds: number; threads: number },
    { flops_per_second: number },
  ]
  /** Its name as the driver tells it, all of its memory, and what of that is not in use. */
  describeGpu: [{ device: string }, { name: string; total_bytes: number; available_bytes: number }]
  inspectAdapter: [{ path: string }, TensorDescription[]]
  attachAdapter: [
    { model: Handle; adapters: readonly LowRankSettings[]; dropout: number; seed: number },
    undefined,
  ]
  loadAdapter: [{ model: Handle; path: string }, undefined]
  saveAdapter: [{ model: Handle; also: readonly string[]; path: string }, undefined]
  /** In place: of a model only these blocks stay, and the channels that most is written into. */
  makeStudent: [
    { model: Handle; layers: readonly number[]; hidden_size?: number; threads: number },
    undefined,
  ]
  joinGroup: [
    {
      rank: number
      size: number
      address: string
      port: number
      serves_store: boolean
      agent_serves: boolean
      prefix: string
      nccl: boolean
      timeout_seconds: number
    },
    Handle,
  ]
  groupPost: [{ group: Handle; name: string; text: string }, undefined]
  groupAwait: [{ group: Handle; name: string; from: number }, string]
  leaveGroup: [{ group: Handle; failure?: { code: string; message: string } }, undefined]
  moduleKinds: [{ names: readonly string[] }, ModuleKind[]]
}

/** Exports that answer at once. */
export interface NativeCalls {
  version: string
  runtimeInfo(): RuntimeInfo
  cudaDevices(): CudaDevices
  cancelJob(id: number): void
  shutdownJobs(): void
  dispose(handle: Handle): void
  processStats(): NativeStats
  /** Whether a model serves in this process, in whichever of its threads. */
  isServing(): boolean
  /** The number of the request. */
  submitRequest(options: { engine: Handle } & RequestSettings): number
  cancelRequest(options: { engine: Handle; request: number }): void
  useWeights(options: { engine: Handle; model: Handle }): void
  acknowledgeTokens(options: { engine: Handle; tokens: number }): void
  engineStats(options: { engine: Handle }): EngineStats
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

/** Whether a model serves in this process, as far as this thread can know: it loads nothing to ask. */
export function isServing(): boolean {
  return addon?.isServing() ?? false
}

/** Who hears of a job, and can stop it. */
export interface JobCallbacks<Progress = unknown, Item = unknown> {
  /** Stops the work, which rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Hears how far the work is; what is old by then is skipped. */
  onProgress?: ((progress: Progress) => void) | undefined
  /** Hears of every item, in order. */
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
