/** Mean and deviation of log-mel bins over many utterances, in one pass and in double (Chan, Golub & LeVeque 1979). */
import { TongueforgeError } from '../errors'
import type { SoundMoments } from '../native'
import type { FrontEnd, SoundOptions } from './front_end'
import type { Utterance } from './list'
import { readAudio } from './read'

export interface MelStatistics {
  /** Of each bin. */
  mean: number[]
  std: number[]
  frames: number
}

export interface StatisticsOptions extends SoundOptions {
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
}

/**
 * Of the frames of all utterances, one utterance in memory at a time; the order of the utterances is part of the result's
 * last bits. Throws ERR_AUDIO where there is no frame, or a bin that never changes.
 */
export async function melStatistics(
  utterances: readonly Utterance[],
  frontEnd: FrontEnd,
  { signal, threads, onProgress }: StatisticsOptions = {},
): Promise<MelStatistics> {
  let all: SoundMoments = { count: 0, means: [], squares: [] }
  for (const [i, { path }] of utterances.entries()) {
    const audio = await readAudio(path, { signal })
    all = together(all, await frontEnd.moments(audio, { signal, threads }))
    onProgress?.({ done: i + 1, total: utterances.length })
  }
  const std = all.squares.map((squares) => Math.sqrt(squares / all.count))
  const still = std.findIndex((value) => !(value > 0))
  if (all.count > 0 && still < 0) return { mean: all.means, std, frames: all.count }
  throw new TongueforgeError(
    'ERR_AUDIO',
    all.count === 0
      ? 'expected frames to take the mean of, received none'
      : `bin ${still} of the filterbank: expected values that differ, received ${all.means[still]} in all ${all.count} frames`,
    { hint: 'Is there sound in the files?', details: { reason: 'no_statistics' } },
  )
}

/** Of two sets of frames as one. */
function together(a: SoundMoments, b: SoundMoments): SoundMoments {
  if (a.count === 0) return b
  if (b.count === 0) return a
  const count = a.count + b.count
  const means: number[] = []
  const squares: number[] = []
  for (const [i, mean] of a.means.entries()) {
    const distance = b.means[i]! - mean
    means.push(mean + (distance * b.count) / count)
    squares.push(a.squares[i]! + b.squares[i]! + (distance ** 2 * a.count * b.count) / count)
  }
  return { count, means, squares }
}
