/** How fast a model is on this machine: load -> measure -> report. */
import type { Dtype } from '../checkpoint/config_checks'
import { openModelFolder } from '../checkpoint/model_folder'
import { modelSpec } from '../checkpoint/model_spec'
import { TongueforgeError } from '../errors'
import { type CountProgress, native, runJob } from '../native'
import { type LayerChoices, type TimedLayers, timedLayers } from './timed_layers'

/** `sparse` and `quantized` are as for loadModel. */
export interface SpeedOptions extends LayerChoices {
  /** Of the row, or of the prompt; default: 128. */
  tokens?: number | undefined
  /** Tokens decoded after the first one; default: 32. */
  newTokens?: number | undefined
  /** As for loadModel. */
  device?: string | undefined
  /** CPU threads; default: libtorch's own choice. */
  threads?: number | undefined
  /** Of weights and arithmetic; default: float32. */
  dtype?: Dtype | undefined
  /** Default: 30. */
  runs?: number | undefined
  /** After so many there are no more runs than 5; default: 20. */
  seconds?: number | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: CountProgress) => void) | undefined
}

/** The least disturbed run, and the one in the middle. */
export interface Seconds {
  min: number
  median: number
}

/** `sparse` and `packed`: the layers that were timed, where that was asked for. */
export interface SpeedReport extends TimedLayers {
  batch: 1
  tokens: number
  dtype: Dtype
  threads: number
  /** Runs before those that count, and those. */
  warm_up: number
  runs: number
  /** Encoders: a pass over the row. */
  pass_seconds?: Seconds
  /** Decoders: from the ids of a prompt to the first new token. */
  first_token_seconds?: Seconds
  /** Decoders: each further token, over `new_tokens` of them. */
  token_seconds?: Seconds
  new_tokens?: number
  /** Of the median: of the row or prompt, and new ones. */
  tokens_per_second: number
  new_tokens_per_second?: number
}

const WARM_UP = 5

/**
 * Times a model folder or run folder with batch 1, on random ids. Best on a machine that does nothing else: compare minima.
 * Throws ERR_USAGE for counts that are none, and for more tokens than the model has positions.
 */
export async function measureSpeed(folder: string, options: SpeedOptions = {}): Promise<SpeedReport> {
  const {
    tokens = 128,
    newTokens = 32,
    device = 'cpu',
    threads = 0,
    dtype = 'float32',
    sparse,
    quantized,
    runs = 30,
    seconds = 20,
  } = options
  checkCounts({ tokens, newTokens, runs })
  const { signal, onProgress } = options
  const { path, config, configFile } = await openModelFolder(folder)
  const spec = modelSpec(config, configFile, { quantized: true })
  checkRoom(spec.kind === 'decoder' ? tokens + newTokens : tokens, spec.max_positions)
  const model = await runJob('loadModel', { folder: path, spec, dtype, device, threads }, { signal })
  try {
    const timed = await timedLayers(model, { sparse, quantized }, { rows: tokens, threads, signal })
    const work = { model, tokens, new_tokens: newTokens, warm_up: WARM_UP, runs, seconds, threads }
    const measured = await runJob('measureSpeed', work, { signal, onProgress })
    const { warm_up, pass, first_token, token } = measured
    const counted = { batch: 1, tokens, dtype, threads: measured.threads, warm_up } as const
    const first = fastestAndMiddle(first_token.length > 0 ? first_token : pass)
    return {
      ...counted,
      runs: Math.max(pass.length, first_token.length),
      ...(pass.length > 0 ? { pass_seconds: first } : { first_token_seconds: first }),
      tokens_per_second: tokens / first.median,
      ...(token.length > 0 && answering(newTokens, fastestAndMiddle(token))),
      ...timed,
    }
  } finally {
    native().dispose(model)
  }
}

const answering = (new_tokens: number, token_seconds: Seconds) => ({
  token_seconds,
  new_tokens,
  new_tokens_per_second: 1 / token_seconds.median,
})

/** The least, and the one in the middle: of two, their mean. */
export function fastestAndMiddle(seconds: readonly number[]): Seconds {
  const sorted = [...seconds].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { min: sorted[0]!, median }
}

function checkCounts(counts: Record<string, number>): void {
  for (const [key, value] of Object.entries(counts))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TongueforgeError('ERR_USAGE', `${key}: expected a whole number from 1, received ${value}`)
}

function checkRoom(wanted: number, positions: number): void {
  if (wanted <= positions) return
  throw new TongueforgeError(
    'ERR_USAGE',
    `Expected at most ${positions} tokens, as the model has positions, received ${wanted}, new ones included`,
    { hint: 'Give fewer with --tokens.' },
  )
}
