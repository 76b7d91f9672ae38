/** Sound: files, sampling rates, what a speech model reads. */
import type { Handle } from '../native'

export interface SoundDescription {
  /** Samples a second. */
  rate: number
  channels: number
  /** Of each channel. */
  samples: number
  /** What was not as it should be, and could be read all the same; mostly empty. */
  remark: string
}

/** What is wrong with one file of many. */
export interface SoundProblem {
  code: string
  message: string
  hint: string
  details: Record<string, string>
}

export interface FilterbankSettings {
  bins: number
  frame_length_ms: number
  frame_shift_ms: number
  preemphasis: number
  window: 'hamming' | 'hann' | 'povey' | 'rectangular'
  dither: number
  /** Of the dither. */
  seed: number
  low_frequency: number
  /** 0 or below: so far from half the rate. */
  high_frequency: number
}

/** See native/audio/front_end.h. */
export interface FrontEndSettings {
  rate: number
  /** Samples: each utterance gets mean 0 and variance 1. */
  normalize?: boolean
  /** Log-mel frames; absent: samples. */
  bank?: FilterbankSettings
  /** Of each bin. */
  mean?: Float32Array
  std?: Float32Array
  stacked?: number
}

/** Of each bin over the frames of an utterance: mean, and the sum of squared distances from it. */
export interface SoundMoments {
  count: number
  means: number[]
  squares: number[]
}

export interface AudioJobs {
  /** Of wav files, from their heads alone. */
  describeSounds: [{ paths: readonly string[] }, (SoundDescription | SoundProblem)[]]
  /** Of a wav file, mixed down; `samples` of the result: Float32Array. Without `count` to the end. */
  readSound: [
    { path: string; first: number; count?: number | undefined },
    { samples: ArrayBuffer; rate: number; channels: number; remark: string },
  ]
  resample: [{ samples: Float32Array; from: number; to: number; threads: number }, { samples: ArrayBuffer }]
  makeFrontEnd: [FrontEndSettings, Handle]
  /** Frames end to end, or samples of width 0. */
  hearSound: [
    { front_end: Handle; samples: Float32Array; rate: number; threads: number },
    { data: ArrayBuffer; width: number },
  ]
  soundMoments: [{ front_end: Handle; samples: Float32Array; rate: number; threads: number }, SoundMoments]
}
