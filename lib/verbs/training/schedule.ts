import type { TrainConfig } from '../../config/train'

/** Learning rate of an update (from 0): a linear rise over the warm-up, then a fall to min_lr at the last update. */
export function learningRate(
  config: Pick<TrainConfig, 'optimizer' | 'schedule' | 'steps'>,
  step: number,
): number {
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
  }
}
