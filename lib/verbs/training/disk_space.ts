/** A disk that would fill up is met before the run, and before each checkpoint: not in the middle of one. */
import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { mayRollBack } from './anomalies'
import type { Checkpoints } from './checkpoints'
import { checkpointBytes, modelBytes } from './memory'
import type { TrainPlan } from './plan'
import { keepBest } from './selection'

/** Throws ERR_NO_SPACE unless `bytes` more fit where `path` is, or will be. */
export async function checkSpace(path: string, bytes: number, what: string): Promise<void> {
  const free = await freeBytes(resolve(path))
  if (free === undefined || free >= bytes) return
  throw new TongueforgeError(
    'ERR_NO_SPACE',
    `${path}: expected ${bytes} free bytes for ${what}, found ${free}`,
    {
      hint: 'Free space, choose another out, or lower checkpoint.keep.',
      details: { path, bytes_needed: bytes, bytes_free: free },
    },
  )
}

// Of the nearest folder that is there; undefined where a file system does not tell.
async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path
    return missing ? freeBytes(dirname(path)) : undefined
  }
}

/** For the checkpoints that are kept, a new one beside them until it is whole, and the result. Throws ERR_NO_SPACE. */
export async function checkRoom(plan: TrainPlan, checkpoints: Checkpoints): Promise<void> {
  const there = (await checkpoints.names()).length
  const coming = Math.max(0, checkpointsAtOnce(plan.config) - there)
  const bytes = coming * checkpointBytes(plan) + modelBytes(plan)
  await checkSpace(dirname(checkpoints.folder), bytes, `${coming} checkpoints and the result`)
}

function checkpointsAtOnce(config: TrainConfig): number {
  const { anomaly, checkpoint, steps } = config
  const made = checkpoint.every === 0 ? 1 : Math.max(1, Math.ceil(steps / checkpoint.every) - 1)
  const reachable = mayRollBack(config) ? Math.ceil(anomaly.rollback.back / checkpoint.every) + 1 : 0
  return Math.min(made, Math.max(checkpoint.keep, reachable) + 1) + keepBest(config)
}
