/** A graft in memory: the weights of a loaded model with a delta on them, as a model of its own. */
import { type Kinds, LISTENERS } from '../../config/call_options'
import type { Scale } from '../../config/scales'
import { type ByteProgress, type GraftedModel, type Handle, native, runJob } from '../../native'
import type { Described } from '../grafting/inputs'
import { type Delta, openDelta } from './deltas'
import { tensorScales } from './scales'

/** How strongly a chat vector is put on a model in memory. */
export interface LiveGraftOptions {
  /** weights = target + scale * delta; default 1. Also by layer, module kind or tensor name, as for `graft`. */
  scale?: Scale | undefined
  /** Also where the model does not seem to descend from the base of a delta that lies in a folder. */
  force?: boolean | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

export const LIVE_GRAFT: Kinds<LiveGraftOptions> = { ...LISTENERS, scale: 'any', force: 'flag' }

/** What a graft in memory has changed. */
export interface LiveGraftReport {
  /** Tensors of which the model has other values now. */
  tensors_changed: number
  /** Tensors that the delta leaves as they are: they take no memory of their own. */
  tensors_shared: number
  /** Memory that is taken while the graft is there. */
  bytes_changed: number
  /** Control tokens of the chat model that the model lacks: it has no rows for them, and gets none. */
  tokens_missing: string[]
  /** That it took. */
  seconds: number
}

/** A model in memory, and where it came from. */
export interface LiveModel extends Described {
  handle: Handle
  threads: number
}

/** Makes a model of the target's weights and a delta; the target stays as it is. */
export async function graftedModel(
  target: LiveModel,
  delta: Delta,
  { scale = 1, force, signal, onProgress }: LiveGraftOptions,
): Promise<GraftedModel & Pick<LiveGraftReport, 'tokens_missing'>> {
  const { handle: model, spec, threads } = target
  const untied = { ...spec, tie_word_embeddings: false } // a tied head may part from the embedding
  const parameters = await runJob('describeModel', { spec: untied })
  const scales = tensorScales(scale, parameters, spec.layers.length)
  const { deltas, missing } = await openDelta(target, delta, { force, signal })
  try {
    const options = { model, deltas, scales, threads }
    return { ...(await runJob('graftModel', options, { signal, onProgress })), tokens_missing: missing }
  } finally {
    native().dispose(deltas)
  }
}
