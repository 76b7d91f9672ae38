/** What training is told, and what it tells. */
import type { Handle } from '../native'

export type OptimizerSettings = {
  /** Of the first moment; adafactor: 0 = there is none. */
  beta1: number
  eps: number
  weight_decay: number
  /** false: norms and biases are not decayed. */
  decay_all: boolean
} & ({ kind: 'adamw'; beta2: number } | { kind: 'adafactor'; decay_rate: number; clip_threshold: number })

export type LossSettings =
  | { kind: 'language' | 'masked'; z_loss?: number }
  | { kind: 'preference'; preference: PreferenceSettings }
  | { kind: 'distillation'; distillation: DistillationSettings }

export interface PreferenceSettings {
  kind: 'sigmoid' | 'hinge' | 'ipo' | 'simpo' | 'orpo'
  beta: number
  label_smoothing: number
  /** simpo: the margin asked for. */
  gamma: number
}

/** native/train/distillation_loss.h */
export interface DistillationSettings {
  teacher: Handle
  temperature: number
  /** Share of the teacher. */
  alpha: number
  /** Whether the divergence counts temperature^2 times. */
  squared: boolean
  divergence: 'forward' | 'reverse'
  hidden?: {
    /** Pairs: behind so many blocks. */
    student_layers: readonly number[]
    teacher_layers: readonly number[]
    weight: number
    cosine: number
    /** Of projections. */
    seed: number
  }
}

export interface StepOutcome {
  /** Mean over what the loss counts (target tokens), before the update. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  /** Target tokens, of all processes. */
  tokens: number
  /** As the callers have counted them. */
  real_tokens: number
  /** Why nothing was changed: not finite, above a limit, or one was told to stop; empty: the update was taken. */
  refused: '' | 'non_finite' | 'spike' | 'stop'
  /** What else the loss tells, as means. */
  figures: Record<string, number>
  /** Of a GPU: memory of tensors after the update, and at its most since training began. */
  device?: { used_bytes: number; peak_bytes: number }
}

/** Sums over a batch, and the number of what they are sums over. */
export interface LossSums {
  sum: number
  count: number
  figures: Record<string, number>
}

/** Weights that may be masked, and those that are: zero to stay zero. */
export interface MaskCounts {
  prunable: number
  masked: number
}
