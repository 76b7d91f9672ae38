/** Kinds of sound files, by the end of their names. A new one is a file beside this and a row here. */
import { extname } from 'node:path'
import { TongueforgeError } from '../errors'
import type { SoundDescription } from '../native'
import { describeFlacs, readFlac } from './flac'
import { describeWavs, readWav } from './wav'

/** Samples of one channel: others are mixed down to their mean. */
export interface Audio {
  /** In -1..1. */
  samples: Float32Array
  /** Samples a second. */
  rate: number
}

/** A part of a file, in samples; `count` absent: to the end. */
export interface SoundRange {
  first: number
  count?: number | undefined
}

export interface DescribeOptions {
  signal?: AbortSignal | undefined
  /** Hears how many files are done. */
  onProgress?: ((done: number) => void) | undefined
}

export interface SoundFormat {
  /** From the heads of files alone, in their order; what is wrong with one stands at its place. */
  describe(
    paths: readonly string[],
    options: DescribeOptions,
  ): Promise<(SoundDescription | TongueforgeError)[]>
  read(path: string, range: SoundRange, signal?: AbortSignal): Promise<Audio>
}

const FORMATS: Readonly<Record<string, SoundFormat>> = {
  '.wav': { describe: describeWavs, read: readWav },
  '.wave': { describe: describeWavs, read: readWav },
  '.flac': { describe: describeFlacs, read: readFlac },
}

export const ENDINGS = Object.keys(FORMATS).join(', ')

/** By the end of a file's name; undefined for a kind that is not read. */
export function formatOf(path: string): SoundFormat | undefined {
  return FORMATS[extname(path).toLowerCase()]
}

export function unknownFormat(path: string): TongueforgeError {
  return audioError(
    path,
    'format',
    `expected a sound file that ends in ${ENDINGS}, received another kind`,
    CONVERT,
  )
}

export const CONVERT = 'Convert it: ffmpeg -i FILE -c:a pcm_s16le OUT.wav'

/** A sound file that cannot be used as it is; `reason` is a word that stays. */
export function audioError(file: string, reason: string, problem: string, hint: string): TongueforgeError {
  return new TongueforgeError('ERR_AUDIO', `${file}: ${problem}`, { hint, details: { file, reason } })
}
