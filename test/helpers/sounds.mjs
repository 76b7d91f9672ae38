// Wav and FLAC files made for tests, and sound to put in them.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** A tone whose pitch glides, in -1..1. */
export function glide({ rate = 16000, seconds = 0.5, from = 200, to = 900, level = 0.4 } = {}) {
  let phase = 0
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => {
    phase += (2 * Math.PI * (from + ((to - from) * i) / (rate * seconds))) / rate
    return level * Math.sin(phase)
  })
}

/** A wav file of 16 bits; `samples`: one channel, or a list of them. */
export function wav(samples, { rate = 16000 } = {}) {
  const channels = [samples].flat()
  const bytes = Buffer.alloc(44 + 2 * channels.length * channels[0].length)
  bytes.write('RIFF', 0)
  bytes.writeUInt32LE(bytes.length - 8, 4)
  bytes.write('WAVEfmt ', 8)
  bytes.writeUInt32LE(16, 16)
  bytes.writeUInt16LE(1, 20)
  bytes.writeUInt16LE(channels.length, 22)
  bytes.writeUInt32LE(rate, 24)
  bytes.writeUInt32LE(rate * 2 * channels.length, 28)
  bytes.writeUInt16LE(2 * channels.length, 32)
  bytes.writeUInt16LE(16, 34)
  bytes.write('data', 36)
  bytes.writeUInt32LE(bytes.length - 44, 40)
  for (let i = 0; i < channels[0].length; i++)
    for (const [c, channel] of channels.entries())
      bytes.writeInt16LE(toInt16(channel[i]), 44 + 2 * (i * channels.length + c))
  return bytes
}

export const toInt16 = (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768)))

/** A FLAC file; `channels`: lists of whole numbers of so many `bits`. */
export async function flac(channels, { rate = 16000, bits = 16 } = {}) {
  const library = require('libflacjs')('min')
  if (!library.isReady()) await new Promise((ready) => library.on('ready', ready))
  const length = channels[0].length
  const encoder = library.create_libflac_encoder(rate, channels.length, bits, 5, length, true, 0)
  const pieces = []
  let head
  library.init_encoder_stream(
    encoder,
    (data) => void pieces.push(Buffer.from(data)),
    (_, block) => {
      head = block
    },
  )
  const interleaved = new Int32Array(length * channels.length)
  for (let i = 0; i < length; i++)
    for (const [c, channel] of channels.entries()) interleaved[i * channels.length + c] = channel[i]
  library.FLAC__stream_encoder_process_interleaved(encoder, interleaved, length)
  library.FLAC__stream_encoder_finish(encoder)
  library.FLAC__stream_encoder_delete(encoder)
  return { bytes: Buffer.concat(pieces), head }
}
