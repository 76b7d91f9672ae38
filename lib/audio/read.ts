/** Sound files: what they hold, from their heads alone, and their samples. */
import { checkOptions, type Kinds, numberOption, pathOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import type { SoundDescription } from '../native'
import {
  type Audio,
  audioError,
  type DescribeOptions,
  formatOf,
  type SoundFormat,
  unknownFormat,
} from './formats'

export type { Audio } from './formats'

export interface AudioInfo {
  /** Samples a second. */
  rate: number
  /** That the file has. */
  channels: number
  /** Of each channel. */
  samples: number
  /** How long it is. */
  seconds: number
  /** What was not as it should be, and can be read all the same. */
  remark?: string
}

export interface ReadAudioOptions {
  /** Number of the first sample that is read; default: 0. */
  first?: number | undefined
  /** How many are; default: all that follow. */
  count?: number | undefined
  signal?: AbortSignal | undefined
}

const READ: Kinds<ReadAudioOptions> = { first: 'any', count: 'any', signal: 'signal' }

const PLACES = { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true }

/**
 * The samples of a file, mixed down to one channel, at the file's own rate. Throws ERR_NOT_FOUND, ERR_IO, ERR_AUDIO with
 * file and reason for what is no sound file, of a codec that is not read, cut off or empty; ERR_USAGE for a range that it
 * has not.
 */
export async function readAudio(path: string, options: ReadAudioOptions = {}): Promise<Audio> {
  checkOptions('readAudio', options, READ)
  const { first = 0, count, signal } = options
  pathOption('readAudio: path', path)
  numberOption('readAudio: first', first, PLACES)
  if (count !== undefined) numberOption('readAudio: count', count, PLACES)
  const format = formatOf(path)
  if (!format) throw unknownFormat(path)
  const audio = await format.read(path, { first, count }, signal)
  if (audio.samples.length === 0 && count === undefined) throw emptyFile(path)
  return audio
}

export interface AudioInfoOptions {
  signal?: AbortSignal | undefined
}

/** From the head of a file alone. Throws as readAudio does. */
export async function audioInfo(path: string, options: AudioInfoOptions = {}): Promise<AudioInfo> {
  checkOptions('audioInfo', options, { signal: 'signal' })
  pathOption('audioInfo: path', path)
  const { signal } = options
  const [info] = await audioInfos([path], { signal })
  if (info instanceof TongueforgeError) throw info
  return info!
}

/** Of many files, in their order; what is wrong with one stands at its place. Throws `signal.reason` alone. */
export async function audioInfos(
  paths: readonly string[],
  { signal, onProgress }: DescribeOptions = {},
): Promise<(AudioInfo | TongueforgeError)[]> {
  const found = new Array<AudioInfo | TongueforgeError>(paths.length)
  let before = 0
  for (const [format, places] of byFormat(paths)) {
    const some = places.map((place) => paths[place]!)
    const told = format
      ? await format.describe(some, { signal, onProgress: (done) => onProgress?.(before + done) })
      : some.map(unknownFormat)
    for (const [i, place] of places.entries()) found[place] = infoOf(some[i]!, told[i]!)
    before += places.length
    onProgress?.(before)
  }
  return found
}

/** Places in the list, by what reads them. */
function byFormat(paths: readonly string[]): Map<SoundFormat | undefined, number[]> {
  const groups = new Map<SoundFormat | undefined, number[]>()
  for (const [place, path] of paths.entries()) {
    const format = formatOf(path)
    const group = groups.get(format)
    if (group) group.push(place)
    else groups.set(format, [place])
  }
  return groups
}

function infoOf(path: string, told: SoundDescription | TongueforgeError): AudioInfo | TongueforgeError {
  if (told instanceof TongueforgeError) return told
  const { rate, channels, samples, remark } = told
  if (samples === 0) return emptyFile(path)
  return { rate, channels, samples, seconds: samples / rate, ...(remark !== '' && { remark }) }
}

const emptyFile = (path: string) =>
  audioError(path, 'empty', 'expected samples, received none', 'Leave the file out, or record it again.')
