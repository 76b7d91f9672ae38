// Sound played faster or slower: more to learn from, in voices that are higher or lower (speed perturbation; Ko et al. 2015).
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readAudio } from 'tongueforge'
import { runJob } from '#lib/native'

/** Writes a take as it sounds at a speed, once; it is a voice of its own. Gives its line of a manifest. */
export async function atSpeed(speed, take, { from, to }) {
  const file = join(`speed-${speed}`, take.file)
  const line = { ...take, file, speaker: `${take.speaker}-${speed}` }
  if (existsSync(join(to, file))) return line // another seed may be reading it
  const { samples, rate } = await readAudio(join(from, take.file))
  const resampled = await runJob('resample', { samples, from: Math.round(100 * speed), to: 100, threads: 1 })
  mkdirSync(dirname(join(to, file)), { recursive: true })
  writeFileSync(join(to, file), wav(new Float32Array(resampled.samples), rate))
  return line
}

/** A file of 16-bit samples, one channel. */
function wav(samples, rate) {
  const body = Int16Array.from(samples, (x) => Math.max(-32768, Math.min(32767, Math.round(32768 * x))))
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + body.byteLength, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20) // PCM
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(rate, 24)
  head.writeUInt32LE(2 * rate, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(body.byteLength, 40)
  return Buffer.concat([head, Buffer.from(body.buffer)])
}
