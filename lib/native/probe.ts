/** Probes: linear heads learned from the hidden states of a speech encoder that stays as it is. */
import type { Handle } from '../native'

export interface ProbeExamples {
  /** By their number in the states. */
  utterances: Int32Array
  /** One each: a class a row (-1: none), or the tokens of a sequence. */
  targets: readonly Int32Array[]
}

export interface ProbeFitting {
  /** Of those that the states hold, by their number there. */
  layers: readonly number[]
  standardize: 'none' | 'layer' | 'value'
  /** A class a row, or a row of tokens by CTC, whose blank is class 0. */
  objective: 'class' | 'sequence'
  classes: number
  steps: number
  /** Utterances of a step; 0: all. */
  batch_size: number
  lr: number
  weight_decay: number
  seed: number
}

/** See native/probe/fit.h. */
export interface FittedProbe {
  /** They add up to 1. */
  layer_weights: number[]
  /** Loss of each step, before it was taken. */
  course: number[]
  /** On the test. */
  loss: number
  /** Int32, of each example of the test. */
  predictions: ArrayBuffer[]
}

export interface ProbeJobs {
  /** `rows`: of each utterance how many it will have, 0 where it is not kept; `pooled`: one, the mean of its places. */
  makeProbeStates: [{ layers: number; width: number; rows: Int32Array; pooled: boolean }, Handle]
  /** Layer -1 is what the whole model gives. */
  addProbeStates: [
    {
      model: Handle
      layers: readonly number[]
      sounds: readonly Float32Array[]
      frame_width: number
      utterances: Int32Array
      pooled?: Handle | undefined
      places?: Handle | undefined
      threads: number
    },
    undefined,
  ]
  /** Learns from `train`, judges on `test`; writes the head to `path`, where there is one. */
  fitProbe: [
    ProbeFitting & {
      states: Handle
      train: ProbeExamples
      test: ProbeExamples
      path?: string | undefined
      threads: number
    },
    FittedProbe,
  ]
}
