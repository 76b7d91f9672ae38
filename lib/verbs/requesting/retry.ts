/** Asks again where a request failed for a moment, each time after a longer wait. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from './post'

/** Seconds between attempts. */
export interface Waits {
  /** Before the second attempt; each later one waits twice as long. */
  first: number
  longest: number
  /** What an endpoint may ask for. */
  longestAsked: number
  /** Of a wait that people are told of. */
  told: number
}

export const WAITS: Waits = { first: 1, longest: 60, longestAsked: 600, told: 10 }

export interface Retries {
  retries: number
  waits: Waits
  /** "The judge" */
  who: string
}

export interface RetryCallbacks {
  signal: AbortSignal
  onWarning?: ((message: string) => void) | undefined
}

/** Throws the error of the last failure, and `signal.reason`. */
export async function retried<Reply>(
  attemptIt: () => Promise<Reply>,
  { retries, waits, who }: Retries,
  { signal, onWarning }: RetryCallbacks,
): Promise<Reply> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await attemptIt()
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure
      if (failure.again === undefined || attempt >= retries) throw failure.error
      const seconds = secondsBefore(attempt, failure.again.after, waits)
      if (seconds >= waits.told)
        onWarning?.(`${who} is asked again in ${Math.round(seconds)} seconds: ${failure.message}`)
      await sleep(seconds * 1000, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

const secondsBefore = (
  attempt: number,
  asked: number | undefined,
  { first, longest, longestAsked }: Waits,
) => (asked === undefined ? Math.min(first * 2 ** attempt, longest) : Math.min(asked, longestAsked))
