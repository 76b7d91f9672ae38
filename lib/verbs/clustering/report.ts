/** What `clusters` tells of its result, and what training has to know of it. */
import { resolve } from 'node:path'
import type { ClustersConfig } from '../../config/clusters'
import type { KMeansOutcome } from '../../native'
import type { Features } from './features'
import { type Labelled, labelCount } from './learn'
import type { ClustersPlan } from './plan'

/** Of sizes alone: what --dry-run tells. */
export interface ClustersPlanReport {
  /** The folder, as a full path. */
  out: string
  /** Whether nothing was written. */
  dry_run: boolean
  /** Files that are learnt from. */
  utterances: number
  /** Files that get labels alone. */
  label_only: number
  /** Files that were left out, as `invalid: skip` says. */
  skipped: number
  /** Of sound. */
  seconds: number
  /** Of `data`; and those of them that centres are learnt from. */
  frames: number
  /** Frames that centres are learnt from. */
  learnt_from: number
  /** Numbers of a frame. */
  width: number
  /** As in the config. */
  clusters: number
  /** That are written. */
  labels: number
  /** Of the frames that are learnt from. */
  memory_bytes: number
}

export interface ClustersReport extends ClustersPlanReport {
  /** Clusters that some label of `data` is of. */
  used: number
  /** Labels of `data` of the largest and of the smallest cluster. */
  most: number
  /** Labels of `data` of the smallest. */
  least: number
  /** Of the labels of `data`, in nats: at most ln(clusters). */
  entropy: number
  /** Mean squared distance from the nearest centre: of the labelled frames, and of those that were learnt from. */
  inertia: number
  inertia_learnt: number
  /** The latter after the batches and after each full step. */
  course: number[]
  /** How often a centre without points was moved. */
  reseeded: number
  /** Centres were those of an earlier run that was stopped. */
  resumed: boolean
  seconds_taken: number
}

export function planReport(
  config: ClustersConfig,
  plan: ClustersPlan,
  features: Features,
): ClustersPlanReport {
  const { data, labelOnly, drawnFrames, frames, seconds, skipped } = plan
  return {
    ...{ out: resolve(config.out), dry_run: true },
    ...{ utterances: data.length, label_only: labelOnly.length, skipped, seconds, frames },
    ...{ learnt_from: drawnFrames, width: features.width, clusters: config.k_means.clusters },
    labels: labelCount([...data, ...labelOnly], features),
    memory_bytes: drawnFrames * features.width * Float32Array.BYTES_PER_ELEMENT,
  }
}

export function reportOf(
  foretold: ClustersPlanReport,
  { inertia: inertia_learnt, course, reseeded }: KMeansOutcome,
  { counts, inertia }: Labelled,
  { resumed, seconds_taken }: Pick<ClustersReport, 'resumed' | 'seconds_taken'>,
): ClustersReport {
  return {
    ...{ ...foretold, dry_run: false },
    used: counts.filter((count) => count > 0).length,
    ...{ most: Math.max(...counts), least: Math.min(...counts), entropy: entropyOf(counts) },
    ...{ inertia, inertia_learnt, course, reseeded, resumed, seconds_taken },
  }
}

/** In nats. */
function entropyOf(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce(
    (sum, count) => (count === 0 ? sum : sum - (count / total) * Math.log(count / total)),
    0,
  )
}

/** clusters.json: what a reader of the labels has to know. */
export function describeClusters(config: ClustersConfig, features: Features): object {
  const { model, layer, k_means, seed } = config
  return {
    clusters: k_means.clusters,
    width: features.width,
    features: model === undefined ? 'log_mel' : 'layer',
    ...(model !== undefined && { model: resolve(model), layer }),
    label_stride: features.stride,
    seed,
  }
}
