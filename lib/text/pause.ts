/** Lets the event loop turn. */
export const pause = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Items of simple work that take a few milliseconds. */
const STEP = 50_000

/** Does something for 0 to `count` - 1, in order, in steps between which the event loop turns. */
export async function inSteps(count: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < count; from += STEP) {
    work(from, Math.min(from + STEP, count))
    if (from + STEP < count) await pause()
  }
}

/** After so long the event loop has its turn. */
const SLICE_MS = 8

/** `items.map(work)` for work of any length an item: the event loop turns in between. Rejects with `signal.reason`. */
export async function mapPaced<Item, Result>(
  items: readonly Item[],
  work: (item: Item, i: number) => Result,
  signal?: AbortSignal,
): Promise<Result[]> {
  const results: Result[] = []
  let begun = performance.now()
  for (const [i, item] of items.entries()) {
    results.push(work(item, i))
    if (performance.now() - begun < SLICE_MS) continue
    await pause()
    signal?.throwIfAborted()
    begun = performance.now()
  }
  return results
}
