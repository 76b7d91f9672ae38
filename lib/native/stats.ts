/** What native code holds in this process, in all its threads. */
export interface NativeStats {
  /** Whose promise is not settled. */
  jobs: number
  /** Models, trainers... that are alive, with a handle or in a job, by the name of their class. */
  objects: Record<string, MemoryCount>
  /** In the memory of the CPU; one whose data others share counts once. */
  tensors: MemoryCount
}

/** How many there are, and their bytes together. */
export interface MemoryCount {
  count: number
  bytes: number
}
