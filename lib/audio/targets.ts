/** The folder that `tongueforge clusters` makes, as training reads it: the cluster of each place of utterances. */
import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import { runJob } from '../native'
import type { Utterance } from './list'

export const LABELS_FILE = 'labels.safetensors'

export class SoundTargets {
  private constructor(
    readonly folder: string,
    private readonly byName: ReadonlyMap<string, Int32Array>,
    /** How many there are, if each is of some place. */
    readonly clusters: number,
  ) {}

  /** Throws ERR_NOT_FOUND, ERR_SAFETENSORS, ERR_DATA. */
  static async open(folder: string, signal?: AbortSignal): Promise<SoundTargets> {
    const rows = await runJob('readLabels', { path: join(folder, LABELS_FILE) }, { signal })
    const byName = new Map(rows.map(({ name, labels }) => [name, new Int32Array(labels)]))
    let most = -1
    for (const labels of byName.values()) for (const label of labels) most = Math.max(most, label)
    return new SoundTargets(folder, byName, most + 1)
  }

  /** One a place. Throws ERR_DATA for an utterance that the folder does not know. */
  labels({ name, path }: Pick<Utterance, 'name' | 'path'>): Int32Array {
    const labels = this.byName.get(name)
    if (labels) return labels
    throw new TongueforgeError('ERR_DATA', `${path}: expected its clusters in ${this.folder}, found none`, {
      hint: `${LABELS_FILE} calls utterances by their path relative to the source, say ${[...this.byName.keys()][0] ?? 'none'}. Name all data of the run in the config of tongueforge clusters.`,
      details: { file: path, folder: this.folder },
    })
  }
}
