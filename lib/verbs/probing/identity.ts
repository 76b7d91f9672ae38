/** What decides the figures of probes on a model, as one hash: sound and labels by content, wherever they lie. */
import { createHash } from 'node:crypto'
import { hashFile } from '../../text/cache/file_hash'
import { dataCacheFolder } from '../../text/cache/place'
import { canonicalJson } from '../training/identity'
import type { PlannedExamples, ProbePlan } from './plan'

export interface HashOptions {
  /** Where hashes of files are remembered. */
  cache?: string | undefined
  signal?: AbortSignal | undefined
}

/** Reads every file once. Throws ERR_NOT_FOUND, ERR_IO. */
export async function hashProbes(
  { utterances, probes }: ProbePlan,
  { cache = dataCacheFolder(), signal }: HashOptions = {},
): Promise<string> {
  const hash = createHash('sha256')
  for (const { path } of utterances) hash.update((await hashFile(path, cache, signal)).sha256)
  const content = ({ utterances: numbers, targets }: PlannedExamples) => [
    Array.from(numbers),
    targets.map((target) => Array.from(target)),
  ]
  for (const { config, classes, trains, test } of probes) {
    const { train: _, folds: __, test: ___, lexicon: ____, ...settings } = config
    hash.update(canonicalJson([settings, classes, trains.map(content), content(test)]))
  }
  return hash.digest('hex')
}
