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
