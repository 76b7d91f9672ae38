/** Which examples stand before a question: those that lm-evaluation-harness would take. */
import { isDeepStrictEqual } from 'node:util'
import { TongueforgeError } from '../errors'
import { PythonRandom } from '../text/mersenne_twister'
import type { ChoiceTask, Doc } from './task'

/** Gives the examples of one document after another; the order in which it is asked decides what is drawn. */
export type ShotPicker = (doc: Doc) => readonly Doc[]

/** `pool`: the documents of the split that examples come from. Throws ERR_DATA where they are too few. */
export function shotPicker(
  { name, shots }: Pick<ChoiceTask, 'name' | 'shots'>,
  pool: readonly Doc[],
  count: number,
  seed: number,
): ShotPicker {
  if (count === 0) return () => []
  const drawn = count + (shots.without_self ? 1 : 0)
  if (pool.length < drawn) throw tooFew(name, pool.length, drawn)
  const others = (docs: readonly Doc[], doc: Doc) => docs.filter((one) => !isDeepStrictEqual(one, doc))
  const left = (doc: Doc) => {
    const rest = shots.without_self ? others(pool, doc) : pool
    // The document may stand in the pool more than once.
    if (rest.length < count) throw tooFew(name, rest.length, count)
    return rest
  }
  if (shots.pick === 'first') return (doc) => left(doc).slice(0, count)
  const random = new PythonRandom(seed)
  const sampleOf = (docs: readonly Doc[], size: number) =>
    random.sample(docs.length, size).map((place) => docs[place]!)
  if (!shots.without_self) return () => sampleOf(pool, count)
  return (doc) => {
    const picked = others(sampleOf(pool, drawn), doc).slice(0, count)
    return picked.length === count ? picked : sampleOf(left(doc), count)
  }
}

function tooFew(task: string, found: number, wanted: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_DATA',
    `${task}: expected at least ${wanted} documents to take examples from, found ${found}`,
    { hint: 'Set num_fewshot lower, or give the whole split.', details: { task } },
  )
}
