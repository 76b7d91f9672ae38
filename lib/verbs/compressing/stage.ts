/**
 * What a stage of `compress` is: a file beside this one, and a row in stages.ts. A stage foretells the sizes that it
 * leaves, and then leaves them: by native work on the model in memory, or by a training on its folder.
 */
import type { JsonObject } from '../../checkpoint/json_file'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { Quantization } from '../../checkpoint/quantization_config'
import { TongueforgeError } from '../../errors'
import type { Handle, PackedBatch } from '../../native'

/** Sizes of a model, as far as they are known without its weights. */
export interface Shape {
  spec: ModelSpec
  /** Exact zeros among the weights that pruning works on: those of the linear layers in the blocks. */
  zeros: number
  /** How it is stored, where not as numbers of one dtype: nothing comes after it, and how many weights round to zero is open. */
  quantized?: Quantization
  /** What only the weights can tell from here on, in words; sizes that depend on it are not foretold. */
  unknown?: string
  /**
   * Of these only scores can tell how many each layer keeps: `spec` has an example. What all layers keep together is
   * certain, and with it parameters, bytes and MACs.
   */
  open?: readonly ('heads' | 'rows')[]
}

/** A technique: `C` is what its schema in lib/config/compress makes of a stage. */
export interface Stage<C extends { method: string } = { method: string }> {
  /** Whether it looks at calibration rows. */
  calibrates(config: C): boolean
  /** Whether its `criterion` asks how well the model foretells those rows. Absent: it does not. */
  asksLoss?(config: C): boolean
  /**
   * The sizes that it leaves, exactly and without weights. Throws `impossible` for what cannot be: more heads than there
   * are. The argument is not changed.
   */
  predict(shape: Shape, config: C): Shape
  /**
   * The configs of its steps, where it may be reached in several: the last one is where it ends. Absent: it may not.
   * `shape` is what the first step finds.
   */
  divide?(shape: Shape, config: C, steps: number): C[]
  /** Native work on `context.model`, in place. Resolves with figures for report.json. */
  run(config: C, context: StageContext): Promise<JsonObject>
  /** Where `run` has taken blocks out: the numbers of those that stay, from its figures. Absent: all stay. */
  keptBlocks?(figures: JsonObject): readonly number[]
  /** Where `run` has taken heads out: of each block that it found the numbers of those that stay. Absent: all stay. */
  keptHeads?(figures: JsonObject): readonly (readonly number[])[]
  /** What it puts into config.json beside sizes, of a model that it found as `spec`. Absent: nothing. */
  configKeys?(config: C, spec: ModelSpec): JsonObject
}

export interface StageContext {
  model: Handle
  /** Of the model as the stage finds it. */
  spec: ModelSpec
  /** Empty unless it calibrates. */
  calibration: readonly PackedBatch[]
  seed: number
  threads: number
  signal?: AbortSignal | undefined
  onProgress?: ((progress: StageProgress) => void) | undefined
}

export interface StageProgress {
  label?: string
  done: number
  total: number
}

/** A stage that is a training: what it tells the verb `train`. */
export interface TrainingStage<C extends { method: string } = { method: string }> {
  predict(shape: Shape, config: C): Shape
  /** Keys of a training config; model, out, device, dtype, threads and data_cache come from the pipeline. */
  training(config: C, start: TrainingStart): object
}

/** What a training finds. */
export interface TrainingStart {
  /** Folder of the model that all stages began with: a teacher. */
  original: string
  shape: Shape
}

/** ERR_CONFIG for a key of a stage; the pipeline puts the place of the stage before it: `stages.2.keep`. */
export function impossible(key: string, problem: string, hint?: string): TongueforgeError {
  return new TongueforgeError('ERR_CONFIG', problem, { hint, details: { key } })
}

/** Whole numbers on the way from one to another, as even as can be: the last is `to`. For `divide`. */
export function evenly(from: number, to: number, steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => from + Math.round(((to - from) * (i + 1)) / steps))
}
