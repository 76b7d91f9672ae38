/** Several answers to one request, their pieces as they come. */
import { abortWith } from '../abort'
import type { GeneratedPiece, Generation } from '../verbs/generate'
import { Run } from '../verbs/run'

/** A piece of one answer, or its end. */
export type ChoiceEvent =
  | { index: number; piece: GeneratedPiece }
  | { index: number; finish_reason: Generation['finish_reason'] }

export type StartChoice = (signal: AbortSignal) => Run<GeneratedPiece, Generation>

interface ChoicesOptions {
  signal: AbortSignal
  /** Hears when the first piece of any comes. */
  onFirst: () => void
}

/** Starts all of them; one that fails ends the others. */
export function choicesOf(
  starts: readonly StartChoice[],
  { signal, onFirst }: ChoicesOptions,
): Run<ChoiceEvent, Generation[]> {
  let begun = false
  const begin = () => {
    if (!begun) onFirst()
    begun = true
  }
  const body = async (emit: (event: ChoiceEvent) => void, signal: AbortSignal) => {
    const failed = new AbortController()
    const letGo = abortWith(failed, signal)
    const answers = starts.map(async (start, index) => {
      const run = start(failed.signal)
      for await (const piece of run) {
        begin()
        emit({ index, piece })
      }
      const generation = await run.result
      emit({ index, finish_reason: generation.finish_reason })
      return generation
    })
    for (const one of answers) one.catch((error) => failed.abort(error)) // the first to fail tells the reason
    return Promise.all(answers).finally(() => Promise.allSettled(answers).finally(letGo))
  }
  return new Run(body, { signal })
}
