/** How fast a model is on this machine: load -> measure -> report. */
import type { Dtype } from '../checkpoint/config_checks'
import { openModelFolder } from '../checkpoint/model_folder'
import { type ModelSpec, modelSpec, mostPositions } from '../checkpoint/model_spec'
import { checkOptions, type Kinds, LISTENERS, pathOption } from '../config/call_options'
import { positionsOf } from '../counting/macs'
import { modelSize } from '../counting/registry'
import { TongueforgeError } from '../errors'
import { type CountProgress, native, runJob } from '../native'
import { samplingRate } from './sampling_rate'
import { type LayerChoices, type TimedLayers, timedLayers } from './timed_layers'

/** `sparse` and `quantized` are as for loadModel. */
export interface SpeedOptions extends LayerChoices {
  /** Of the row, or of the prompt; default: 128. Of text alone. */
  tokens?: number | undefined
  /** Of the sound that a speech encoder hears; default: 10. */
  clipSeconds?: number | undefined
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
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: CountProgress) => void) | undefined
}

const OPTIONS: Kinds<SpeedOptions> = {
  ...LISTENERS,
  sparse: 'any',
  quantized: 'any',
  tokens: 'any',
  clipSeconds: 'any',
  newTokens: 'any',
  device: 'text',
  threads: 'threads',
  dtype: 'text',
  runs: 'any',
  seconds: 'any',
}

/** The least disturbed run, and the one in the middle. */
export interface Seconds {
  min: number
  median: number
}

/** `sparse` and `packed`: the layers that were timed, where that was asked for. */
export interface SpeedReport extends TimedLayers {
  /** Rows at a time. */
  batch: 1
  /** Of sound: its places. */
  tokens: number
  /** Of weights and arithmetic. */
  dtype: Dtype
  /** Of the CPU. */
  threads: number
  /** Runs before those that count, and those. */
  warm_up: number
  /** That count. */
  runs: number
  /** Encoders: a pass over the row. */
  pass_seconds?: Seconds
  /** Speech encoders: of the sound, and what of it a pass takes; from frames or samples on. */
  clip_seconds?: number
  real_time_factor?: Seconds
  /** Decoders: from the ids of a prompt to the first new token. */
  first_token_seconds?: Seconds
  /** Decoders: each further token, over `new_tokens` of them. */
  token_seconds?: Seconds
  /** Decoded after the first one. */
  new_tokens?: number
  /** Of the median: of the row or prompt, and new ones. */
  tokens_per_second: number
  /** Decoders: of the median. */
  new_tokens_per_second?: number
}

const WARM_UP = 5

/**
 * Times a model folder or run folder with batch 1, on random ids. Best on a machine that does nothing else: compare minima.
 * Throws ERR_USAGE for lengths that are none or of another kind of model, and for more tokens than it has positions.
 */
export async function measureSpeed(folder: string, options: SpeedOptions = {}): Promise<SpeedReport> {
  checkOptions('measureSpeed', options, OPTIONS)
  pathOption('measureSpeed: folder', folder)
  const {
    newTokens = 32,
    device = 'cpu',
    threads = 0,
    dtype = 'float32',
    sparse,
    quantized,
    runs = 30,
    seconds = 20,
  } = options
  checkCounts({ tokens: options.tokens ?? 1, newTokens, runs })
  const { signal, onProgress } = options
  const { path, config, configFile } = await openModelFolder(folder)
  const spec = modelSpec(config, configFile, { quantized: true })
  const row = await rowOf(path, spec, options)
  const { tokens } = row
  checkRoom(spec.kind === 'decoder' ? tokens + newTokens : tokens, mostPositions(spec))
  const model = await runJob('loadModel', { folder: path, spec, dtype, device, threads }, { signal })
  try {
    const timed = await timedLayers(model, { sparse, quantized }, { rows: tokens, threads, signal })
    const work = {
      model,
      tokens: row.length,
      new_tokens: newTokens,
      warm_up: WARM_UP,
      runs,
      seconds,
      threads,
    }
    const measured = await runJob('measureSpeed', work, { signal, onProgress })
    const { warm_up, pass, first_token, token } = measured
    const counted = { batch: 1, tokens, dtype, threads: measured.threads, warm_up } as const
    const first = fastestAndMiddle(first_token.length > 0 ? first_token : pass)
    return {
      ...counted,
      runs: Math.max(pass.length, first_token.length),
      ...(pass.length > 0 ? { pass_seconds: first } : { first_token_seconds: first }),
      ...(row.clip_seconds !== undefined && heard(row.clip_seconds, first)),
      tokens_per_second: tokens / first.median,
      ...(token.length > 0 && answering(newTokens, fastestAndMiddle(token))),
      ...timed,
    }
  } finally {
    native().dispose(model)
  }
}

/** What is timed: its positions, and its length in what the model reads: tokens, frames or samples. */
interface TimedRow {
  tokens: number
  length: number
  clip_seconds?: number
}

async function rowOf(
  folder: string,
  spec: ModelSpec,
  { tokens, clipSeconds }: SpeedOptions,
): Promise<TimedRow> {
  if (spec.kind !== 'speech') {
    if (clipSeconds !== undefined) throw otherLength('clipSeconds', 'a speech encoder', 'tokens')
    return { tokens: tokens ?? 128, length: tokens ?? 128 }
  }
  if (tokens !== undefined) throw otherLength('tokens', 'a model of text', 'clipSeconds')
  const clip_seconds = clipSeconds ?? 10
  const samples = Math.round(clip_seconds * (await samplingRate(folder, spec)))
  const places = positionsOf(modelSize(spec), samples)
  if (!(places >= 1) || clip_seconds > 3600)
    throw new TongueforgeError(
      'ERR_USAGE',
      `clipSeconds: expected enough for one place, up to 3600, received ${clip_seconds}`,
      { hint: 'Give --seconds 10.' },
    )
  return { tokens: places, length: spec.frame_width > 0 ? places : samples, clip_seconds }
}

const heard = (clip_seconds: number, { min, median }: Seconds) => ({
  clip_seconds,
  real_time_factor: { min: min / clip_seconds, median: median / clip_seconds },
})

const otherLength = (key: string, kind: string, other: string) =>
  new TongueforgeError('ERR_USAGE', `${key}: expected with ${kind} alone, received with another model`, {
    hint: `Give ${other} instead.`,
  })

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
