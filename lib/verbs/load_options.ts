import { type Kinds, LISTENERS } from '../config/call_options'
import type { ServingOptions } from '../config/serving'
import type { ByteProgress } from '../native'
import type { LayerChoices } from './timed_layers'

/** How a model is loaded: where it computes, in which numbers, and whether it serves many. */
export interface LoadOptions {
  /** cpu (default), cuda, or cuda:N: one GPU, in a build for CUDA. Throws ERR_DEVICE where there is none. */
  device?: string | undefined
  /** Of weights and arithmetic; default: float32. */
  dtype?: 'float32' | 'bfloat16' | 'float16' | (string & {}) | undefined
  /** CPU threads; default: libtorch's own choice. */
  threads?: number | undefined
  /** Folder of a LoRA adapter as PEFT writes it, or run folder of one: applied unmerged. */
  adapter?: string | undefined
  /** auto: pruned layers multiply only what is not zero, where timing each says that it is faster; default: never. */
  sparse?: LayerChoices['sparse']
  /**
   * Of a quantised model in bfloat16. auto: layers multiply their whole numbers, where timing each says that it is
   * faster; packed: all that can, and their weights leave memory; default: dense.
   */
  quantized?: LayerChoices['quantized']
  /**
   * For servers: generate and chat answer many requests at the same time, in steps that all of them share, from one
   * cache. true: with the defaults. docs/serving.md
   */
  serving?: boolean | ServingOptions | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

export const LOAD_OPTIONS: Kinds<LoadOptions> = {
  ...LISTENERS,
  device: 'text',
  dtype: 'text',
  threads: 'threads',
  adapter: 'text',
  sparse: 'any',
  quantized: 'any',
  serving: 'any',
}
