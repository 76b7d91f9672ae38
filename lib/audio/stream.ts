/** Utterances one after the other as a model reads them: a few in memory, however many there are. */
import type { FrontEnd, Sound, SoundOptions } from './front_end'
import type { Utterance } from './list'
import { readAudio } from './read'

export interface HeardUtterance {
  utterance: Utterance
  sound: Sound
}

/**
 * In their order; the next one is read while this one is used. Throws what readAudio throws: a file whose head was in
 * order may still be found damaged.
 */
export async function* hearAll(
  utterances: Iterable<Utterance>,
  frontEnd: FrontEnd,
  options: SoundOptions = {},
): AsyncGenerator<HeardUtterance> {
  let coming: Promise<HeardUtterance> | undefined
  for (const utterance of utterances) {
    const next = hear(utterance, frontEnd, options)
    next.catch(() => {}) // told when its turn comes
    if (coming) yield await coming
    coming = next
  }
  if (coming) yield await coming
}

export async function hear(
  utterance: Utterance,
  frontEnd: FrontEnd,
  { signal, threads }: SoundOptions = {},
): Promise<HeardUtterance> {
  const audio = await readAudio(utterance.path, { signal })
  return { utterance, sound: await frontEnd.sound(audio, { signal, threads }) }
}
