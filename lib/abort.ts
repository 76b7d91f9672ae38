/** Work that ends by itself or with a signal from outside, which may outlive it by far. */

/**
 * Aborts `control` with `signal` from here on; the returned function, called once the work has ended, lets go of it.
 * AbortSignal.any leaves some memory in a signal that lives on, for every call (Node 20 and 24).
 */
export function abortWith(control: AbortController, signal: AbortSignal | undefined): () => void {
  const abort = () => control.abort(signal?.reason)
  if (signal?.aborted) abort()
  signal?.addEventListener('abort', abort, { once: true })
  return () => signal?.removeEventListener('abort', abort)
}
