/** Many requests on one model at the same time. */
import type { Handle, SamplingSettings } from '../native'

/** Of an engine. */
export interface EngineSettings {
  sequences: number
  queue: number
  cache_bytes: number
  /** 0: as the model and the cache allow. */
  context: number
  prefix_cache: boolean
}

/** A request as native code takes it. */
export interface RequestSettings extends SamplingSettings {
  prompt: Int32Array
  max_new_tokens: number
  stop_ids: Int32Array
  /** -1: none; n: of each new token and of the n most probable ones. */
  log_probs: number
}

/** What one step gave: a token of each of these requests. ArrayBuffers are views of numbers yet to be given. */
export interface EngineEvent {
  requests: ArrayBuffer
  ids: ArrayBuffer
  /** Of the tokens whose requests ask for them; `index` within the event. */
  log_probs: { index: number; log_prob: number; ids: ArrayBuffer; log_probs: ArrayBuffer }[]
  ended: EndedRequest[]
}

export interface EndedRequest {
  request: number
  reason: 'stop' | 'length' | 'cancelled' | 'failed'
  prompt_tokens: number
  cached_tokens: number
  new_tokens: number
  error?: { code: string; message: string; hint: string }
}

/** What a model that serves does now, and has done since it was loaded. */
export interface EngineStats {
  /** Requests that have a place. */
  running: number
  /** Requests in the queue. */
  waiting: number
  /** Of the cache, of `page_size` positions each. */
  pages: number
  /** By requests that run. */
  pages_in_use: number
  /** That later prompts may find again; those in use among them. */
  pages_kept: number
  /** Positions of a page. */
  page_size: number
  /** Positions of the longest request. */
  context: number
  /** Of requests that have ended. */
  prompt_tokens: number
  /** Of prompt_tokens, found in pages. */
  cached_tokens: number
  /** Of requests that have ended. */
  new_tokens: number
  /** Requests so far. */
  ended: number
  /** Requests so far, as the queue was full. */
  refused: number
  /** How often a request lost its place because pages ran out, and was computed again. */
  unseated: number
  /** Of the engine so far. */
  steps: number
  /** Spent in steps. */
  busy_seconds: number
}

export interface ServingJobs {
  makeEngine: [{ model: Handle; most_unheard: number; threads: number } & EngineSettings, Handle]
  /** Ends when no request is left. Items: EngineEvent. */
  runEngine: [{ engine: Handle; threads: number }, undefined]
}
