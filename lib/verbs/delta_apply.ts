/** A difference that lies in a folder, added to a model: a graft without base and chat model. */
import { checkOptions, type Kinds } from '../config/call_options'
import type { Scale } from '../config/scales'
import { CALLBACKS, type GraftCallbacks, type GraftReport, graft } from './graft'

/** Which delta to add to which model. */
export interface ApplyDeltaOptions {
  /** Model folder that descends from the base of the delta. */
  target: string
  /** Folder that `extractDelta` wrote. */
  delta: string
  /** out = target + scale * delta; default 1. Also by layer, module kind or tensor name. */
  scale?: Scale | undefined
  /** Also where the target does not seem to descend from the base. */
  force?: boolean | undefined
  /** Model folder to be written. */
  out: string
  /** Replace what is at `out`, where it looks like ours; default: false, and ERR_EXISTS. */
  overwrite?: boolean | undefined
  /** Go on where an interrupted run stopped; an interruption of this one leaves its work for the next. */
  resume?: boolean | undefined
  /** Threads that read, compute and write; default: one more than the machine has. */
  threads?: number | undefined
  /** Check everything and return the plan; write nothing. */
  dryRun?: boolean | undefined
}

const OPTIONS: Kinds<ApplyDeltaOptions> = {
  target: 'text',
  delta: 'needed',
  scale: 'any',
  force: 'flag',
  out: 'needed',
  overwrite: 'flag',
  resume: 'flag',
  threads: 'threads',
  dryRun: 'flag',
}

/**
 * Adds a delta to a model: what `graft` does with the models that it was extracted from, but for what its format has lost.
 * Throws ERR_WRONG_BASE, ERR_DELTA, and what `graft` throws.
 */
export async function applyDelta(
  options: ApplyDeltaOptions,
  callbacks: GraftCallbacks = {},
): Promise<GraftReport> {
  checkOptions('applyDelta', options, OPTIONS)
  checkOptions('applyDelta', callbacks, CALLBACKS)
  const { target, delta, scale, ...rest } = options
  return graft({ target, vectors: [{ delta, scale }], ...rest }, callbacks)
}
