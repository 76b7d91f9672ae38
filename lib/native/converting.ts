/** Files of torch as native code tells of them: native/convert. */
import type { Handle } from '../native'

/** A tensor of a file of torch. */
export interface TorchTensor {
  /** Tensors that are the same view of the same data share one. */
  id: number
  /** Keys that lead to it from the top. */
  path: string[]
  /** As in safetensors: "F32", "BF16"... */
  dtype: string
  shape: number[]
  bytes: number
}

export interface TorchFileContent {
  /** Everything but the tensors, which are `undefined` in it, as is what was left out; every key is text. */
  tree: unknown
  tensors: TorchTensor[]
  /** Modules whose objects are of no use here and were left out. */
  left_out: string[]
}

export interface OpenedTorch {
  source: Handle
  /** In the order of the paths. */
  files: TorchFileContent[]
}

/** One tensor of the result. */
export interface ConvertedTensor {
  name: string
  /** Of the source. */
  file: number
  id: number
  /** Id of a tensor that it is multiplied by. */
  mask?: number
}

export interface ConvertStatistics {
  /** Weight files written. */
  files: number
  bytes_read: number
  bytes_written: number
}

/** model.safetensors.index.json, or another index of the same form. */
export interface ShardIndexContent {
  files: string[]
  /** `file`: its place among the files. */
  tensors: { name: string; file: number }[]
}

export interface ConvertingJobs {
  openTorch: [{ paths: readonly string[] }, OpenedTorch]
  /** `extension`: that every file of it must have. */
  readShardIndex: [{ path: string; extension: string }, ShardIndexContent]
  writeTorchTensors: [
    { source: Handle; tensors: readonly ConvertedTensor[]; staged: string; max_shard_bytes: number },
    ConvertStatistics,
  ]
}
