/** K-means over frames of sound, and the labels that come of it. */
import type { Handle } from '../native'

export interface KMeansSettings {
  clusters: number
  /** That the start is drawn from. */
  start_points: number
  batches: number
  batch_size: number
  /** On all points, after the batches. */
  full_steps: number
  seed: number
}

/** See native/clusters/kmeans.h. */
export interface KMeansOutcome {
  /** Mean squared distance of all points from the nearest centre. */
  inertia: number
  /** The same after the batches, and after each full step. */
  course: number[]
  /** Points of each cluster. */
  counts: number[]
  /** How often a centre without points was moved. */
  reseeded: number
}

export interface ClusterJobs {
  makePoints: [{ width: number; expected: number }, Handle]
  addPoints: [{ points: Handle; frames: Float32Array }, { count: number }]
  /** Writes the centres to `path`. */
  kMeans: [KMeansSettings & { points: Handle; path: string; threads: number }, KMeansOutcome]
  loadCentres: [{ path: string }, { centres: Handle; clusters: number; width: number }]
  /** `labels`: how many each of `names` will have. */
  makeLabels: [{ path: string; names: readonly string[]; labels: Int32Array; clusters: number }, Handle]
  /** Labels every `stride`-th frame of an utterance; `counted`: into what finishLabels tells. */
  addLabels: [
    {
      labels: Handle
      centres: Handle
      name: string
      frames: Float32Array
      stride: number
      counted: boolean
      threads: number
    },
    undefined,
  ]
  finishLabels: [{ labels: Handle }, { counts: number[]; distances: number }]
  /** Every tensor of a file, each a row of int32. */
  readLabels: [{ path: string }, { name: string; labels: ArrayBuffer }[]]
}
