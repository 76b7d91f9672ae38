/** What training is told, and what it tells. */
import type { Handle, PackedBatch } from '../native'

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

/** Options and results of its jobs, by export. */
export interface TrainingJobs {
  makeTrainer: [
    {
      model: Handle
      optimizer: OptimizerSettings
      loss: LossSettings
      dtype: string
      frozen: readonly string[]
      seed: number
      /** Activation checkpointing; default: false. */
      recompute_blocks?: boolean
      /** On a GPU, the passes of a step are recorded and replayed, where they can be; default: false. */
      graph?: boolean
      /** On a GPU, the same bytes for the same steps; default: false. */
      deterministic?: boolean
      /** Rates of an encoder; default: nothing is dropped. */
      dropout?: { residual: number; attention: number; activation: number }
      /** Weights that stay zero: none of them can, none do yet, or all that are zero; default: none. */
      masks?: 'none' | 'empty' | 'zeros'
      /** With other processes, each on its share of every update. */
      together?: { group: Handle; bucket_mb: number; share_state: boolean }
    },
    Handle,
  ]
  trainStep: [
    {
      trainer: Handle
      batches: PackedBatch[]
      lr: number
      clip: number
      step: number
      /** An update above one of them is a spike, and refused. */
      loss_limit?: number
      grad_norm_limit?: number
      /** Number of the first one in the update; default: 0. Other processes have others. */
      first_micro_batch?: number
      /** Of the batches, as the caller counts them; default: 0. */
      real_tokens?: number
      /** Take no step, in none of the processes. */
      stop?: boolean
      threads: number
    },
    StepOutcome,
  ]
  trainPrune: [{ trainer: Handle; sparsity: number; scope: string; threads: number }, MaskCounts]
  trainMasked: [{ trainer: Handle }, MaskCounts]
  trainGradients: [{ trainer: Handle; batches: PackedBatch[]; path: string; threads: number }, undefined]
  trainEvaluate: [{ trainer: Handle; batch: PackedBatch; threads: number }, LossSums]
  modelLoss: [{ model: Handle; loss: LossSettings; batch: PackedBatch; threads: number }, LossSums]
  segmentLogProbs: [
    { model: Handle; batch: PackedBatch; threads: number },
    { sums: number[]; counts: number[] },
  ]
  trainSave: [{ trainer: Handle; path: string }, undefined]
  trainSnapshot: [{ trainer: Handle }, Handle]
  /** Where the state is shared out: while rank 0 saves or copies it, each of the others sends its part. */
  trainSendState: [{ trainer: Handle }, undefined]
  saveSnapshot: [{ snapshot: Handle; path: string }, undefined]
  trainResume: [{ trainer: Handle; path: string }, undefined]
}
