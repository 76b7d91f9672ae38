/** What this process holds, for servers that watch themselves: what grows from job to job is a leak. */
import { readdirSync } from 'node:fs'
import { type MemoryCount, native } from '../native'

/** What the process holds now, whichever of its threads took it. */
export interface ProcessStats {
  /** Native jobs that run, or whose end their thread has not heard of yet. */
  jobs: number
  /**
   * Models, trainers, engines... in native memory, by the name of their class: those that were not disposed of or
   * collected, and those that a job still uses. Their bytes are those of when they were made.
   */
  objects: Record<string, MemoryCount>
  /** Blocks of memory of tensors on the CPU, weights included; tensors that share a block are one. */
  tensors: MemoryCount
  /** Of the process: Node's own, those of jobs, and libtorch's, which stay for the next job. Linux only. */
  threads: number | undefined
  /** File descriptors. Linux only. */
  open_files: number | undefined
  /** Of memory that stands in RAM, by whatever it is used. */
  resident_bytes: number
}

/**
 * Counts what this process holds in native memory, with its threads and open files: cheap enough to be asked every
 * second. The first call loads libtorch, where no other has.
 */
export function stats(): ProcessStats {
  return {
    ...native().processStats(),
    threads: entriesOf('/proc/self/task'),
    open_files: openFiles(),
    resident_bytes: process.memoryUsage.rss(),
  }
}

/** Reading the folder opens one more. */
function openFiles(): number | undefined {
  const entries = entriesOf('/proc/self/fd')
  return entries === undefined ? undefined : entries - 1
}

function entriesOf(folder: string): number | undefined {
  try {
    return readdirSync(folder).length
  } catch {
    return undefined
  }
}
