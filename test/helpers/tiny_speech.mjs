// Folders of speech encoders of a few thousand parameters, with random weights; and configs.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { Random } from '#lib/text/random'

/** The model of the miniature experiment: 480 064 parameters. */
export const miniatureMelHubert = {
  architectures: ['MelHubertModel'],
  model_type: 'melhubert',
  feat_emb_dim: 80,
  num_cluster: 64,
  hidden_size: 96,
  intermediate_size: 384,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_conv_pos_embeddings: 16,
  num_conv_pos_embedding_groups: 8,
  conv_pos_weight_norm: false,
}

/** config.json of a tiny MelHuBERT; `changes` are laid over it. */
export const melHubertConfig = (changes = {}) => ({
  ...miniatureMelHubert,
  feat_emb_dim: 6,
  num_cluster: 5,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_conv_pos_embedding_groups: 4,
  conv_pos_weight_norm: true,
  ...changes,
})

/** config.json of a tiny HuBERT, or with `model_type` and classes of wav2vec2. */
export const hubertConfig = (changes = {}) => ({
  architectures: ['HubertModel'],
  model_type: 'hubert',
  conv_dim: [8, 8, 8],
  conv_kernel: [10, 3, 2],
  conv_stride: [5, 2, 2],
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_conv_pos_embeddings: 8,
  num_conv_pos_embedding_groups: 4,
  ...changes,
})

const INIT = {
  ...{ embedding_std: 1, matrix_std: 0.3, matrix_gain: 1 },
  ...{ attention_output_gain: 1, mlp_output_gain: 1, correlation: 0, related_rows: [] },
}

/** Writes a whole folder of random weights for a config.json. */
export async function writeTinySpeech(folder, config = melHubertConfig(), seed = 3) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const spec = modelSpec(config)
  const model = await runJob('initialiseModel', { spec, init: { ...INIT, seed }, threads: 1 })
  await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
  native().dispose(model)
  return folder
}

/** `count` numbers between -1 and 1. */
export function noise(count, seed) {
  const random = new Random(seed)
  return Float32Array.from({ length: count }, () => random.below(2 ** 24) / 2 ** 23 - 1)
}
