// How a command listens to work on weights.
import type { Io } from './verb'

/** Callbacks of work whose progress is bytes; `label` stands at the head of its line. */
export const listening = (io: Io, label: string) => ({
  signal: io.signal,
  onWarning: io.say,
  onProgress: ({ done_bytes, total_bytes }: { done_bytes: number; total_bytes: number }) =>
    io.progress.update({ label, done: done_bytes, total: total_bytes, unit: 'bytes' }),
})
