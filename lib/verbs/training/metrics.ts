/** metrics.jsonl: one line an update. */
import type { SpeedFigures } from './speed'

/** One line of metrics.jsonl. */
export interface Metrics extends SpeedFigures {
  /** From 1. */
  step: number
  /** Mean over the targets, before the update. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  lr: number
  /** Targets of the update. */
  tokens: number
  eval_loss?: number
  /** By source of eval.data. */
  eval_losses?: Record<string, number>
  /** Share of the samples that ended by themselves. */
  stop_rate?: number
}
