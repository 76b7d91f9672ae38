/** What native code is told of a training config: how it learns, from what, and with whom. */
import { initialization } from '../../config/initialization'
import { optimizerChoice } from '../../config/optimizer'
import type { TrainConfig } from '../../config/train'
import type { Handle, LossSettings, OptimizerSettings } from '../../native'
import { objectives } from '../../text/objectives'
import { preferenceSettings } from './preferences'
import { distillationSettings } from './teaching'

export function optimizerSettings(config: TrainConfig): OptimizerSettings {
  const { decay, weight_decay, eps, ...own } = optimizerChoice(config.optimizer)
  const common = { weight_decay, eps, decay_all: decay === 'all' }
  if (own.kind === 'adafactor') {
    const { kind, beta1, decay_rate, clip_threshold } = own
    return { ...common, kind, beta1, decay_rate, clip_threshold }
  }
  const [beta1, beta2] = own.betas
  return { ...common, kind: own.kind, beta1, beta2 }
}

// cuBLAS reads the variable when it is first used: with it, it sums in one order.
export function isDeterministic({ deterministic, device }: TrainConfig): boolean {
  if (deterministic && device !== 'cpu') process.env.CUBLAS_WORKSPACE_CONFIG ??= ':4096:8'
  return deterministic
}

export function masksOf({ pruning, keep_zeros }: TrainConfig): 'none' | 'empty' | 'zeros' {
  if (keep_zeros) return 'zeros'
  return pruning ? 'empty' : 'none'
}

export function lossSettings(config: TrainConfig, teacher: Handle | undefined): LossSettings {
  if (config.objective === 'distil')
    return { kind: 'distillation', distillation: distillationSettings(config, teacher!) }
  const { loss: kind } = objectives[config.objective]
  return kind === 'preference'
    ? { kind, preference: preferenceSettings(config) }
    : { kind, z_loss: config.z_loss }
}

export function nativeInit(config: TrainConfig): object {
  const how = config.init?.initialization ?? initialization.parse({})
  return {
    seed: config.seed,
    embedding_std: how.embedding_std,
    matrix_std: how.matrix_std ?? (how.matrix_gain === undefined ? 0.02 : 0),
    matrix_gain: how.matrix_gain ?? 1,
    attention_output_gain: how.attention_output_gain,
    mlp_output_gain: how.mlp_output_gain,
    correlation: how.related_rows?.correlation ?? 0,
    related_rows: (how.related_rows?.pairs ?? []).map((pair) => Int32Array.from(pair)),
  }
}

export const togetherOf = ({ distributed: { bucket_mb, zero } }: TrainConfig, group: Handle) => ({
  group,
  bucket_mb,
  share_state: zero === 1,
})
