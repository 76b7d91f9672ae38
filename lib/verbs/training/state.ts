/** What a run knows of itself beyond weights and moments; saved with every checkpoint as state.json. */
import type { Anomaly, Recent } from './anomalies'
import type { PruningState } from './pruner'

/** From a start or resume to the next stop. */
export interface SessionFigures {
  /** Updates that were done when it began. */
  first_step: number
  /** Updates of the session, those that a rollback took back as well. */
  steps: number
  /** Places that are not padding. */
  tokens: number
  /** Of the session. */
  seconds: number
  /** `tokens` over `seconds`. */
  tokens_per_second: number
}

/** The held-out loss after a step; step 0: before the first update. */
export interface Evaluation {
  step: number
  loss: number
  /** By source. */
  losses?: Record<string, number>
  /** What else the loss tells, as `eval_nll`. */
  figures?: Record<string, number>
  /** Share of the samples that ended by themselves. */
  stop_rate?: number
  /** Of a run that prunes: how many of its targets had been reached. */
  targets_reached?: number
}

export interface RunState {
  version: 1
  /** Updates done. */
  step: number
  /** The last one is under way. What a session did after its last checkpoint died with it and is not counted. */
  sessions: SessionFigures[]
  evaluations: Evaluation[]
  /** Batches of the data that were left out: update s, from 0, learns from batch s + this. */
  skipped_batches: number
  /** In the order in which they were met; of what a rollback took back as well. */
  anomalies: Anomaly[]
  recent: Recent
  /** Of a run that prunes. */
  pruning?: PruningState
}

export function newState(): RunState {
  return {
    version: 1,
    step: 0,
    sessions: [],
    evaluations: [],
    skipped_batches: 0,
    anomalies: [],
    recent: { losses: [], grad_norms: [] },
  }
}

/** Places that are not padding, and seconds, over all sessions. */
export function totals({ sessions }: RunState): { tokens: number; seconds: number } {
  const sum = (key: 'tokens' | 'seconds') => sessions.reduce((total, session) => total + session[key], 0)
  return { tokens: sum('tokens'), seconds: sum('seconds') }
}
