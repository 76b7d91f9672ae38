/** The typed picture of models in memory: how they are loaded and saved, and what they are asked. */
import type { Handle } from '../native'
import type { ModuleKind } from './merging'
import type { MeasuredSpeed, PackedLayer, SparseLayer } from './speed'

/** A parameter that a model of some spec has. */
export interface ParameterDescription {
  name: string
  shape: number[]
  /** The weight of a linear layer: what an adapter may be put on. */
  linear: boolean
  /** Of a linear layer in a block, weight or bias: what weight pruning works on. */
  prunable: boolean
  /** Not so where it is only stored for other programs. */
  trainable: boolean
  module: ModuleKind
}

/** Sizes of a block of a model in memory; ranks of its factored layers by name within the block. */
export interface BlockDescription {
  num_heads: number
  num_kv_heads: number
  intermediate_size: number
  ranks: Record<string, number>
}

/** A text, or a sound as its model hears it: frames laid end to end, or samples where frame_width is 0. */
export type AttendedDocument = { ids: Int32Array } | { sound: Float32Array; frame_width: number }

export interface SamplingSettings {
  /** 0 = greedy. */
  temperature: number
  top_k: number
  top_p: number
  min_p: number
  repetition_penalty: number
  seed: number
}

export interface ModelJobs {
  loadModel: [
    {
      folder: string
      spec: object
      dtype: string
      device?: string
      /** Names of parameters that are float32 whatever dtype says. */
      in_float32?: readonly string[]
      threads: number
    },
    Handle,
  ]
  /** What loadModel would refuse of names and shapes, from headers alone. */
  checkModel: [{ folder: string; spec: object }, undefined]
  initialiseModel: [{ spec: object; init: object; device?: string; threads: number }, Handle]
  moveModel: [{ model: Handle; device: string; threads: number }, undefined]
  saveModel: [{ model: Handle; folder: string; dtype: string; max_shard_bytes: number }, { bytes: number }]
  /** The blocks of a model in memory as they are now. */
  describeBlocks: [{ model: Handle }, BlockDescription[]]
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
  /** Of what stands in each row from its first target on. */
  likelihoods: [
    {
      model: Handle
      rows: Int32Array[]
      first_targets: Int32Array
      /** 0: chosen by the device. */
      batch_tokens: number
      threads: number
    },
    { log_likelihood: number; is_greedy: boolean }[],
  ]
  embed: [
    { model: Handle; rows: Int32Array[]; pooling: 'mean' | 'cls'; normalize: boolean; threads: number },
    { data: ArrayBuffer; shape: number[] },
  ]
  classify: [{ model: Handle; rows: Int32Array[]; threads: number }, { data: ArrayBuffer; shape: number[] }]
  fillMasks: [
    { model: Handle; rows: Int32Array[]; mask_id: number; top_k: number; threads: number },
    { text: number; place: number; ids: ArrayBuffer; probabilities: number[] }[],
  ]
  /** Sounds are frames laid end to end, or samples where frame_width is 0; layer -1 is what the whole model gives. */
  hiddenStates: [
    {
      model: Handle
      sounds: readonly Float32Array[]
      frame_width: number
      /** Of each sound, 1 where a place is not heard. */
      hidden?: readonly Int32Array[]
      layers: readonly number[]
      threads: number
    },
    { places: number; data: ArrayBuffer }[],
  ]
  /** Of one document, by layer: of each head its diagonality, verticality and globality, one after the other. */
  attentionShapes: [{ model: Handle; threads: number } & AttendedDocument, number[][]]
  measureSpeed: [
    {
      model: Handle
      tokens: number
      new_tokens: number
      warm_up: number
      runs: number
      /** After which runs are fewer. */
      seconds: number
      threads: number
    },
    MeasuredSpeed,
  ]
  useSparseLayers: [{ model: Handle; rows: number; threads: number }, SparseLayer[]]
  usePackedLayers: [{ model: Handle; keep_weights: boolean; rows: number; threads: number }, PackedLayer[]]
  describeModel: [{ spec: object }, ParameterDescription[]]
}
