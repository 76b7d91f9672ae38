/** A disk that would fill up is met before the run, and before each checkpoint: not in the middle of one. */
import { dirname } from 'node:path'
import { checkSpace } from '../../checkpoint/disk_space'
import type { TrainConfig } from '../../config/train'
import { mayRollBack } from './anomalies'
import type { Checkpoints } from './checkpoints'
import { checkpointBytes, modelBytes } from './memory'
import type { TrainPlan } from './plan'
import { keepBest } from './selection'

export const ROOM_HINT = 'Free space, choose another out, or lower checkpoint.keep.'

/** For the checkpoints that are kept, a new one beside them until it is whole, and the result. Throws ERR_NO_SPACE. */
export async function checkRoom(plan: TrainPlan, checkpoints: Checkpoints): Promise<void> {
  const there = (await checkpoints.names()).length
  const coming = Math.max(0, checkpointsAtOnce(plan.config) - there)
  const bytes = coming * checkpointBytes(plan) + modelBytes(plan)
  await checkSpace(dirname(checkpoints.folder), bytes, `${coming} checkpoints and the result`, ROOM_HINT)
}

function checkpointsAtOnce(config: TrainConfig): number {
  const { anomaly, checkpoint, steps } = config
  const made = checkpoint.every === 0 ? 1 : Math.max(1, Math.ceil(steps / checkpoint.every) - 1)
  const reachable = mayRollBack(config) ? Math.ceil(anomaly.rollback.back / checkpoint.every) + 1 : 0
  return Math.min(made, Math.max(checkpoint.keep, reachable) + 1) + keepBest(config)
}
