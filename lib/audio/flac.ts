/** FLAC files (RFC 9639): their heads are read here, their samples decoded by a library on a thread of its own. */
import { ioError } from '../checkpoint/json_file'
import { openRegular } from '../checkpoint/regular_file'
import { TongueforgeError } from '../errors'
import type { SoundDescription } from '../native'
import { mostSamples, tooMany } from './flac_room'
import { decodeFlac, notDecoded } from './flac_thread'
import { type Audio, audioError, CONVERT, type DescribeOptions, type SoundRange } from './formats'

/** The marker, the head of the first block, and STREAMINFO. */
const HEAD = 4 + 4 + 34

/** Bits of a sample that the library scales; of others it makes infinities and what is no number. */
const DEPTHS = [8, 16, 24, 32]

/** A frame of silence has so many bytes at least, and stands for so many samples at most: no file can hold more of them. */
const LEAST_FRAME = 10
const MOST_OF_A_FRAME = 65_535

export async function describeFlacs(
  paths: readonly string[],
  { signal, onProgress }: DescribeOptions,
): Promise<(SoundDescription | TongueforgeError)[]> {
  const found: (SoundDescription | TongueforgeError)[] = []
  for (const path of paths) {
    signal?.throwIfAborted()
    found.push(await describe(path, signal).catch((error) => problemOf(error, signal)))
    onProgress?.(found.length)
  }
  return found
}

/** Throws ERR_NOT_FOUND, ERR_IO, ERR_AUDIO, ERR_USAGE for a range beyond the end. */
export async function readFlac(
  path: string,
  { first, count }: SoundRange,
  signal?: AbortSignal,
): Promise<Audio> {
  const [head, size] = await readHead(path)
  const { rate, samples: told } = streamInfo(path, head, size)
  const most = mostSamples(size)
  if (told > most) throw notDecoded(path, tooMany(most, size))
  const samples = await decodeFlac(path, most, signal)
  if (told !== 0 && samples.length !== told)
    throw audioError(
      path,
      'damaged',
      `expected ${told} samples, as its head says, received ${samples.length}`,
      'Is it all there? Copy or write it again.',
    )
  const end = count === undefined ? samples.length : first + count
  if (first < 0 || end < first || end > samples.length) throw beyondTheEnd(path, samples.length, first, end)
  return { samples: samples.subarray(first, end), rate }
}

async function describe(path: string, signal: AbortSignal | undefined): Promise<SoundDescription> {
  const [head, size] = await readHead(path)
  const { rate, channels, samples } = streamInfo(path, head, size)
  if (samples > 0) return { rate, channels, samples, remark: '' }
  const counted = (await decodeFlac(path, mostSamples(size), signal)).length
  return { rate, channels, samples: counted, remark: 'its length was never filled in: samples are counted' }
}

/** The first bytes, and how many there are. */
async function readHead(path: string): Promise<[Buffer, number]> {
  const file = await openRegular(path)
  try {
    const { size } = await file.stat()
    return [await file.head(HEAD), size]
  } catch (error) {
    throw ioError(path, error as NodeJS.ErrnoException)
  } finally {
    await file.close()
  }
}

/** Samples: 0 where the file does not say. */
function streamInfo(path: string, head: Buffer, size: number): Omit<SoundDescription, 'remark'> {
  const isFlac = head.length === HEAD && head.toString('latin1', 0, 4) === 'fLaC' && (head[4]! & 0x7f) === 0
  if (!isFlac)
    throw audioError(
      path,
      'not_flac',
      'expected a FLAC file (fLaC, STREAMINFO), received something else',
      CONVERT,
    )
  // 20 bits of rate, 3 of channels, 5 of sample size, 36 of length.
  const bits = head.readBigUInt64BE(18)
  const rate = Number(bits >> 44n)
  if (rate === 0) throw audioError(path, 'rate', 'expected a sampling rate, received 0', CONVERT)
  const depth = Number((bits >> 36n) & 31n) + 1
  if (!DEPTHS.includes(depth))
    throw audioError(
      path,
      'codec',
      `expected FLAC of 8, 16, 24 or 32 bits a sample, received ${depth}`,
      'Convert it: ffmpeg -i FILE -c:a pcm_s24le OUT.wav',
    )
  const samples = Number(bits & 0xfffffffffn)
  const most = MOST_OF_A_FRAME * Math.floor((size - HEAD) / LEAST_FRAME)
  if (samples > most)
    throw audioError(
      path,
      'damaged',
      `expected at most ${most} samples in ${size} bytes, its head says ${samples}`,
      'Is it all there? Copy or write it again.',
    )
  return { rate, channels: Number((bits >> 41n) & 7n) + 1, samples }
}

function problemOf(error: unknown, signal: AbortSignal | undefined): TongueforgeError {
  signal?.throwIfAborted()
  if (error instanceof TongueforgeError) return error
  throw error
}

const beyondTheEnd = (path: string, samples: number, first: number, end: number) =>
  new TongueforgeError(
    'ERR_USAGE',
    `${path}: expected a range within ${samples} samples, received ${end - first} from ${first} on`,
    { hint: 'The first sample is number 0.', details: { file: path } },
  )
