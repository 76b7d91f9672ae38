/** The config of an official MelHuBERT checkpoint -> config.json of a MelHuBERT folder. */
import { z } from 'zod'
import { checkedConfig, epsilon, flag, integer } from '../../checkpoint/config_checks'
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import type { LayerSpec } from '../../checkpoint/layers'

const text = z.string({ error: 'a text' })

/** Keys that say how the model is built; what a config leaves out is what the official code takes then. */
const official = z.looseObject({
  feat_emb_dim: integer(1, 2 ** 16).default(40),
  encoder_layers: integer(1, 4096).default(1),
  encoder_embed_dim: integer(1, 2 ** 20).default(768),
  encoder_ffn_embed_dim: integer(1, 2 ** 22).default(3072),
  encoder_attention_heads: integer(1, 2 ** 16).default(12),
  activation_fn: text.default('gelu'),
  layer_norm_first: flag.default(false),
  conv_pos: integer(1, 2 ** 16).default(128),
  conv_pos_groups: integer(1, 2 ** 16).default(16),
  num_cluster: integer(1, 2 ** 24).default(512),
  dropout: epsilon.default(0.1),
  attention_dropout: epsilon.default(0.1),
  activation_dropout: epsilon.default(0.1),
  encoder_layerdrop: epsilon.default(0),
})
export type OfficialConfig = z.infer<typeof official>

/** Keys that keep their official names, and what the official code takes where they are not there. */
const KEPT = {
  pos_emb_type: 'conv',
  pos_conv_depth: 1,
  attention_type: 'original',
  mask_prob: 0.8,
  mask_length: 10,
  mask_selection: 'static',
  mask_other: 0,
  no_mask_overlap: false,
  mask_min_space: 1,
  learnable_mask_emb: false,
  mask_before_proj: true,
  pred_masked_weight: 1,
  pred_nomask_weight: 0,
} as const

/** Throws ERR_MODEL_CONFIG that names `file` and the key. */
export const officialConfig = (content: JsonObject, file: string): OfficialConfig =>
  checkedConfig(official, content, file)

/** Numbers of a head: pruning removes whole ones, and leaves their size. */
export const headSizeOf = (config: OfficialConfig) =>
  config.encoder_embed_dim / config.encoder_attention_heads

/** `layers`: sizes of the blocks as the tensors have them. `stacked`: frames of 10 ms that make one place. */
export function melHubertConfig(
  config: OfficialConfig,
  layers: readonly LayerSpec[],
  stacked: number,
): JsonObject {
  const kept = Object.entries(KEPT).map(([key, value]) => [key, config[key] ?? value])
  const plain = {
    model_type: 'melhubert',
    architectures: ['MelHubertModel'],
    dtype: 'float32',
    feat_emb_dim: config.feat_emb_dim,
    stacked_frames: stacked,
    num_cluster: config.num_cluster,
    hidden_size: config.encoder_embed_dim,
    intermediate_size: config.encoder_ffn_embed_dim,
    num_hidden_layers: config.encoder_layers,
    num_attention_heads: config.encoder_attention_heads,
    hidden_act: config.activation_fn,
    do_stable_layer_norm: config.layer_norm_first,
    num_conv_pos_embeddings: config.conv_pos,
    num_conv_pos_embedding_groups: config.conv_pos_groups,
    conv_pos_weight_norm: true,
    hidden_dropout: config.dropout,
    attention_dropout: config.attention_dropout,
    activation_dropout: config.activation_dropout,
    layerdrop: config.encoder_layerdrop,
    ...Object.fromEntries(kept),
  }
  return withLayers(plain, layers, { head_dim: headSizeOf(config) })
}
