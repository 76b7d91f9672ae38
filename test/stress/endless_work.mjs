// Work without end, to be ended by force: jobs of one kind, one after the other.
import { open } from './jobs/index.mjs'

/**
 * Repeats one kind of job for ever. `onRunning` is called once, when the first job has started. `collecting`: garbage is
 * collected every few ms; needs --expose-gc.
 */
export async function workWithoutEnd(kind, inputs, { onRunning, collecting = false }) {
  if (collecting) setInterval(globalThis.gc, 5)
  const { once } = await open(kind, inputs)
  const callbacks = { onProgress: () => {} }
  const first = once(callbacks)
  onRunning()
  await first
  for (;;) await once(callbacks)
}
