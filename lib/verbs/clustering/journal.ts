/** How far a run has come, in its hidden folder: the centres are there, labels are yet to be written. */
import { join } from 'node:path'
import type { MelConfig } from '../../audio/front_end_config'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import { writeJson } from '../../checkpoint/write_folder'
import type { KMeansOutcome } from '../../native'
import { rm } from '../../writes'

/** Of the publishing of folders: who finds it there may go on. */
const JOURNAL = '.journal'
export const CENTROIDS = 'centroids.safetensors'
export const LABELS = 'labels.safetensors'

export interface Learnt {
  identity: string
  outcome: KMeansOutcome
  frontEnd?: MelConfig | undefined
}

/** What an earlier run of the same has learnt; where there is none, whatever another one left is removed. */
export async function resumeLearnt(staged: string, identity: string): Promise<Learnt | undefined> {
  const found = await readJsonObjectIfPresent(join(staged, JOURNAL), { code: 'ERR_CHECKPOINT' })
  await rm(join(staged, LABELS), { force: true })
  if (found?.identity === identity) return found as unknown as Learnt
  for (const name of [JOURNAL, CENTROIDS]) await rm(join(staged, name), { force: true })
  return undefined
}

/** To be called once the centres are written. */
export const recordLearnt = (staged: string, learnt: Learnt): Promise<void> =>
  writeJson(staged, JOURNAL, learnt)
