/** Work that ends by itself or with a signal from outside, which may outlive it by far. */
import { setMaxListeners } from 'node:events'

/**
 * Aborts `control` with `signal` from here on; the returned function, called once the work has ended, lets go of it.
 * AbortSignal.any leaves some memory in a signal that lives on, for every call (Node 20 and 24).
 */
export function abortWith(control: AbortController, signal: AbortSignal | undefined): () => void {
  setMaxListeners(0, control.signal) // much of the work may hear it at a time: no leak, which Node suspects from eleven on
  const abort = () => control.abort(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return () => signal?.removeEventListener('abort', abort)
}
