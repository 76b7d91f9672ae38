/** What calls on a model that writes text may be told beside how it samples (generate.ts). */
import { JOB_LISTENERS, type Kinds } from '../config/call_options'
import type { CountProgress, JobCallbacks } from '../native'
import { type GenerateOptions, SAMPLING } from './generate'
import type { Usage } from './serving/engine'

export interface ScoreOptions extends JobCallbacks {
  /** Index of the first token of each row that counts; default: 1. */
  firstTarget?: number | undefined
}

export interface LikelihoodOptions extends JobCallbacks<CountProgress> {
  /** Tokens that go through the model at once; default: by the device. */
  batchTokens?: number | undefined
}

/** Options of the calls that take token ids. */
export interface IdOptions extends Omit<GenerateOptions, 'stop' | 'standalone'> {
  /** Ids that end a sequence; default: those of the model folder. */
  stopIds?: ArrayLike<number> | undefined
  /** Of a model that serves: what a prompt and its answer took. */
  onUsage?: ((usage: { row: number } & Usage) => void) | undefined
}

export const ID_OPTIONS: Kinds<IdOptions> = { ...SAMPLING, stopIds: 'any', onUsage: 'function' }
export const SCORE_IDS: Kinds<ScoreOptions> = { ...JOB_LISTENERS, firstTarget: 'any' }
export const LIKELIHOODS: Kinds<LikelihoodOptions> = { ...JOB_LISTENERS, batchTokens: 'any' }
