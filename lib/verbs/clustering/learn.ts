/** Centres learnt from frames, and every frame labelled by its nearest one. */
import { join } from 'node:path'
import type { Utterance } from '../../audio/list'
import type { ClustersConfig } from '../../config/clusters'
import { type KMeansOutcome, native, runJob } from '../../native'
import type { LabelledProgress } from '../run'
import type { Features } from './features'
import { CENTROIDS, LABELS } from './journal'
import type { ClustersPlan } from './plan'

export interface Working {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: LabelledProgress) => void) | undefined
}

/** Gathers the frames that were drawn and writes the centres of them. Throws ERR_NON_FINITE, ERR_AUDIO. */
export async function learnCentres(
  staged: string,
  { drawn, drawnFrames }: ClustersPlan,
  { k_means, seed, threads }: ClustersConfig,
  features: Features,
  { signal, onProgress }: Working,
): Promise<KMeansOutcome> {
  const points = await runJob('makePoints', { width: features.width, expected: drawnFrames })
  try {
    for (const [i, utterance] of drawn.entries()) {
      const frames = await features.of(utterance, { signal })
      await runJob('addPoints', { points, frames }, { signal })
      onProgress?.({ label: 'features', done: i + 1, total: drawn.length })
    }
    const { max_frames: _, ...settings } = k_means
    const call = { ...settings, seed, points, path: join(staged, CENTROIDS), threads }
    return await runJob('kMeans', call, {
      signal,
      onProgress: (progress: object) =>
        onProgress?.({ label: 'k-means', ...(progress as { done: number; total: number }) }),
    })
  } finally {
    native().dispose(points)
  }
}

export interface Labelled {
  /** Labels of `data`, by cluster; and of all that were written. */
  counts: number[]
  labels: number
  /** Of `data`: mean squared distance of a labelled frame from its centre. */
  inertia: number
}

/** Writes labels.safetensors, an utterance in memory at a time. Throws ERR_INPUT_CHANGED. */
export async function writeLabels(
  staged: string,
  { data, labelOnly }: ClustersPlan,
  { k_means, threads }: ClustersConfig,
  features: Features,
  { signal, onProgress }: Working,
): Promise<Labelled> {
  const all = [...data, ...labelOnly]
  const lengths = Int32Array.from(all, (utterance) => Math.ceil(features.frames(utterance) / features.stride))
  const { centres } = await runJob('loadCentres', { path: join(staged, CENTROIDS) })
  const names = all.map(({ name }) => name)
  const plan = { path: join(staged, LABELS), names, labels: lengths, clusters: k_means.clusters }
  const labels = await runJob('makeLabels', plan)
  try {
    for (const [i, utterance] of all.entries()) {
      const frames = await features.of(utterance, { signal })
      const call = { labels, centres, name: utterance.name, frames, threads }
      await runJob('addLabels', { ...call, stride: features.stride, counted: i < data.length }, { signal })
      onProgress?.({ label: 'labels', done: i + 1, total: all.length })
    }
    const { counts, distances } = await runJob('finishLabels', { labels })
    const counted = sum(counts)
    return { counts, labels: sum(lengths), inertia: distances / counted }
  } finally {
    native().dispose(labels)
    native().dispose(centres)
  }
}

/** So many labels each of these utterances has. */
export const labelCount = (utterances: readonly Utterance[], features: Features): number =>
  utterances.reduce((total, one) => total + Math.ceil(features.frames(one) / features.stride), 0)

const sum = (values: Iterable<number>) => {
  let total = 0
  for (const value of values) total += value
  return total
}
