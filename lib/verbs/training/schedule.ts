import { keyError } from '../../config/parse'
import type { TrainConfig } from '../../config/train'

type Scheduled = Pick<TrainConfig, 'optimizer' | 'schedule' | 'steps'>

/**
 * Learning rate of an update (from 0): a linear rise over the warm-up, then a fall to min_lr at the last update. That
 * of wsd (warm-up, stable, decay: arXiv 2404.06395) begins late: until then a run does not know its length.
 */
export function learningRate(config: Scheduled, step: number): number {
  const { lr } = config.optimizer
  const { kind, warmup, min_lr } = config.schedule
  if (step < warmup) return (lr * (step + 1)) / warmup
  const done = (step - warmup) / Math.max(config.steps - 1 - warmup, 1)
  switch (kind) {
    case 'constant':
      return lr
    case 'linear':
      return lr + (min_lr - lr) * done
    case 'cosine':
      return min_lr + (lr - min_lr) * 0.5 * (1 + Math.cos(Math.PI * done))
    case 'wsd':
      return min_lr + (lr - min_lr) * stableThenDecay(config, step)
  }
}

// From 1 to 0: 1 up to the last update before the decay, 0 at the last of all.
function stableThenDecay(config: Scheduled, step: number): number {
  const updates = decayUpdates(config)
  const done = Math.max(step + 1 - (config.steps - updates), 0) / updates
  return 1 - (config.schedule.decay_shape === '1-sqrt' ? Math.sqrt(done) : done)
}

/** Updates in which lr falls. */
export function decayUpdates({ schedule: { decay }, steps }: Scheduled): number {
  return decay < 1 ? Math.max(Math.round(decay * steps), 1) : Math.round(decay)
}

/** Throws ERR_CONFIG for a decay that would begin within the warm-up. */
export function checkSchedule(config: TrainConfig, file: string): void {
  const { schedule, steps } = config
  const room = steps - schedule.warmup
  const updates = decayUpdates(config)
  if (schedule.kind !== 'wsd' || updates <= room) return
  throw keyError(
    file,
    'schedule.decay',
    `expected at most steps - warmup = ${room} updates, received ${updates}`,
    'Lower schedule.decay or schedule.warmup, or train longer.',
  )
}
