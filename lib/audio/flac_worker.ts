/** Decodes FLAC files one after the other and mixes them down. The library is libFLAC, compiled to WebAssembly. */
import { parentPort } from 'node:worker_threads'
import type { FLACDecodedAudio, FLACDecoder } from '@wasm-audio-decoders/flac'
import { readFile } from '../files'
import { tooMany } from './flac_room'

export interface FlacTask {
  id: number
  path: string
  /** Samples after which no more are decoded. */
  most: number
}

/** `system`: the error code of the operating system, where it is that. */
export type FlacAnswer =
  | { id: number; samples: Float32Array<ArrayBuffer> }
  | { id: number; problem: string; system?: string }

/** A piece of silence stands for ten thousand times as many bytes: what is decoded at once has to be short. */
const PIECE = 4096 // bytes

/** Frames that are damaged are left out: whoever knows how many samples there should be can tell. */
async function decode(decoder: FLACDecoder, { path, most }: FlacTask): Promise<Float32Array<ArrayBuffer>> {
  const bytes = await readFile(path)
  const parts: Float32Array[] = []
  let count = 0
  const take = ({ channelData, bitDepth, errors }: FLACDecodedAudio) => {
    if (errors.length > 0) throw new Error(errors[0]!.message)
    count += channelData[0]?.length ?? 0
    if (count > most) throw new Error(tooMany(most, bytes.length))
    parts.push(mixed(channelData, bitDepth))
  }
  try {
    for (let at = 0; at < bytes.length; at += PIECE)
      take(await decoder.decode(bytes.subarray(at, at + PIECE)))
    take(await decoder.flush()) // leaves it as new
  } catch (error) {
    await decoder.reset()
    throw error
  }
  return joined(parts, count)
}

function joined(parts: readonly Float32Array[], count: number): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(count)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/**
 * The mean of the channels, taken as native/audio/wav.cpp takes it. The library divides whole numbers by the largest one:
 * they are brought back, and divided as everywhere else by one more.
 */
function mixed(channels: readonly Float32Array[], bits: number): Float32Array {
  const largest = 2 ** (bits - 1) - 1
  const wholeOf = bits <= 24 ? Math.round : (value: number) => value
  const samples = new Float32Array(channels[0]?.length ?? 0)
  for (let i = 0; i < samples.length; i++) {
    let sum = 0
    for (const channel of channels) sum += wholeOf(channel[i]! * largest) / (largest + 1)
    // Of a frame whose samples have another size than the library knows.
    if (!Number.isFinite(sum)) throw new Error(`expected finite samples, received ${sum} at ${bits} bits`)
    samples[i] = sum / channels.length
  }
  return samples
}

async function load(): Promise<FLACDecoder> {
  const { FLACDecoder } = await import('@wasm-audio-decoders/flac')
  const decoder = new FLACDecoder()
  await decoder.ready
  return decoder
}

function serve(): void {
  const loading = load()
  let turn = Promise.resolve()
  parentPort!.on('message', (task: FlacTask) => {
    const { id } = task
    turn = turn
      .then(async () => decode(await loading, task))
      .then(
        (samples) => parentPort!.postMessage({ id, samples } satisfies FlacAnswer, [samples.buffer]),
        (error) => parentPort!.postMessage(failure(id, error)),
      )
  })
}

function failure(id: number, { message, code, syscall }: NodeJS.ErrnoException): FlacAnswer {
  return { id, problem: message, ...(syscall !== undefined && code !== undefined && { system: code }) }
}

serve()
