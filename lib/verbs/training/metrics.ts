/** metrics.jsonl: one line an update. */
import type { AnomalyKind } from './anomalies'
import type { PruningFigures } from './pruner'
import type { SpeedFigures } from './speed'

/** distil: of the targets under the student, the divergence from the teacher, and how far hidden states are. */
export interface LossParts {
  /** `distil`: of `loss`, negative log-likelihood of the data. */
  nll?: number | undefined
  /** `distil`: of `loss`, from the teacher. */
  divergence?: number | undefined
  /** `distil`: of `loss`, of hidden states. */
  hidden?: number | undefined
}

/** One line of metrics.jsonl. */
export interface Metrics extends SpeedFigures, PruningFigures, LossParts {
  /** From 1. */
  step: number
  /** Mean over the targets, before the update. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  /** Learning rate of the update. */
  lr: number
  /** Targets of the update. */
  tokens: number
  /** On the held-out data, on the updates after which it is measured. */
  eval_loss?: number
  /** By source of eval.data. */
  eval_losses?: Record<string, number>
  /** Share of the samples that ended by themselves. */
  stop_rate?: number
  /** What part of what was made small z_loss is: it comes on top of loss. */
  z_loss?: number
  /** Why batches were left out just before this update. */
  skipped?: AnomalyKind[]
  /** The update that was refused, on the first one after a rollback. */
  rolled_back_from?: number
}
