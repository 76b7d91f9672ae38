/** The typed picture of the native compress folder: what its jobs are told and what they answer. */
import type { Handle, PackedBatch } from '../native'

/** What a technique works on, changed in place; it may leave it half-way where it fails or is cancelled. */
export interface CompressInputs {
  model: Handle
  /** Calibration rows; none where it looks at weights alone. */
  batches: readonly PackedBatch[]
  threads: number
}

/** Options and results of its jobs, by export: a row a technique. */
// biome-ignore lint/suspicious/noEmptyInterface: the rows come with the techniques
export interface CompressingJobs {}
