/** How heads look, on the mean over documents: native code has the shapes of one. */
import type { JobCallbacks } from '../../native'
import { type CountProgress, type Handle, runJob } from '../../native'
import type { Documents } from './documents'

/** Entropies are in nats. */
export interface HeadShape {
  /** How near to the diagonal: 0 is on it, -1/3 about what attention is that is alike everywhere. */
  diagonality: number
  /** How much to the same places from everywhere: 0 is one place, - ln T none in particular. */
  verticality: number
  /** How wide: 0 is one place, ln T all alike. */
  globality: number
}

export interface Shapes {
  /** By layer and head. */
  heads: HeadShape[][]
  /** What attention that is alike everywhere would have on the same documents. */
  uniform: HeadShape
  /** Documents that were looked at, and their places. */
  documents: number
  places: number
  /** Documents of a single place, which has nowhere to look. */
  left_out: number
}

const KEYS = ['diagonality', 'verticality', 'globality'] as const

/** Every document counts alike, at its own length. */
export async function meanShapes(
  model: Handle,
  documents: Documents,
  { threads, signal, onProgress }: { threads: number } & JobCallbacks<CountProgress>,
): Promise<Shapes> {
  let heads: number[][] = []
  let uniform = [0, 0, 0]
  const counts = { documents: 0, places: 0, left_out: 0 }
  for await (const { places, document } of documents.all()) {
    if (places < 2) counts.left_out++
    else {
      const found = await runJob('attentionShapes', { model, threads, ...document }, { signal })
      heads = found.map((layer, i) => sum(layer, heads[i]))
      uniform = sum(alike(places), uniform)
      counts.documents++
      counts.places += places
    }
    onProgress?.({ done: counts.documents + counts.left_out, total: documents.count })
  }
  const mean = (numbers: readonly number[]) => shapesIn(numbers.map((number) => number / counts.documents))
  return { heads: heads.map(mean), uniform: mean(uniform)[0]!, ...counts }
}

/** Of attention that is the same to every one of so many places. */
const alike = (places: number) => [-(places - 1 / places) / (3 * places), -Math.log(places), Math.log(places)]

const sum = (numbers: readonly number[], before: readonly number[] = []) =>
  numbers.map((number, i) => number + (before[i] ?? 0))

function shapesIn(numbers: readonly number[]): HeadShape[] {
  return Array.from({ length: numbers.length / KEYS.length }, (_, head) => {
    const own = KEYS.map((key, i) => [key, numbers[KEYS.length * head + i]!])
    return Object.fromEntries(own) as unknown as HeadShape
  })
}
