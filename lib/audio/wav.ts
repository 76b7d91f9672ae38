/** Wav files, which native code reads (native/audio/wav.h). */
import { TongueforgeError } from '../errors'
import { runJob, type SoundDescription, type SoundProblem } from '../native'
import type { Audio, DescribeOptions, SoundRange } from './formats'

export async function describeWavs(
  paths: readonly string[],
  { signal, onProgress }: DescribeOptions,
): Promise<(SoundDescription | TongueforgeError)[]> {
  const found = await runJob(
    'describeSounds',
    { paths },
    { signal, onProgress: ({ done }: { done: number }) => onProgress?.(done) },
  )
  return found.map((one) => ('code' in one ? problem(one) : one))
}

/** Throws ERR_NOT_FOUND, ERR_IO, ERR_AUDIO, ERR_USAGE for a range beyond the end. */
export async function readWav(path: string, range: SoundRange, signal?: AbortSignal): Promise<Audio> {
  const { samples, rate } = await runJob('readSound', { path, ...range }, { signal })
  return { samples: new Float32Array(samples), rate }
}

const problem = ({ code, message, hint, details }: SoundProblem) =>
  new TongueforgeError(code, message, { hint: hint || undefined, details })
