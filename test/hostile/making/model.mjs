// A small Llama folder that loads, for cases that spoil one part of it.
import { tensorsFile } from './safetensors.mjs'

export const WORDS = ['<unk>', '<s>', '</s>', 'a', 'b', 'c', 'd', '▁']

export const config = (changes = {}) => ({
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  vocab_size: WORDS.length,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  torch_dtype: 'float32',
  ...changes,
})

/** Shapes of its tensors. */
export const SHAPES = {
  'model.embed_tokens.weight': [8, 8],
  'model.layers.0.input_layernorm.weight': [8],
  'model.layers.0.self_attn.q_proj.weight': [8, 8],
  'model.layers.0.self_attn.k_proj.weight': [8, 8],
  'model.layers.0.self_attn.v_proj.weight': [8, 8],
  'model.layers.0.self_attn.o_proj.weight': [8, 8],
  'model.layers.0.post_attention_layernorm.weight': [8],
  'model.layers.0.mlp.gate_proj.weight': [16, 8],
  'model.layers.0.mlp.up_proj.weight': [16, 8],
  'model.layers.0.mlp.down_proj.weight': [8, 16],
  'model.norm.weight': [8],
  'lm_head.weight': [8, 8],
}

/** Its tensors, all zero, as tensorsFile takes them; `change(name, tensor)` may give another one, or nothing. */
export function tensors(change = (_name, tensor) => tensor) {
  const made = {}
  for (const [name, shape] of Object.entries(SHAPES)) {
    const tensor = change(name, { dtype: 'F32', shape })
    if (tensor) made[name] = tensor
  }
  return made
}

export const weights = () => tensorsFile(tensors(), { format: 'pt' })

/** tokenizer.json of the vocabulary above, one letter a token. */
export const tokenizer = (changes = {}) => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: WORDS.slice(0, 3).map((content, id) => ({
    ...{ id, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  })),
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: {
    ...{ type: 'BPE', dropout: null, unk_token: '<unk>', fuse_unk: false, byte_fallback: false },
    vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    merges: [],
  },
  ...changes,
})

/** The folder's files, those named in `changes` instead of the whole ones; undefined leaves one out. */
export const modelFiles = (changes = {}, folder = 'model') => {
  const files = {
    'config.json': config(),
    'model.safetensors': weights(),
    'tokenizer.json': tokenizer(),
    ...changes,
  }
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, content]) =>
      content === undefined ? [] : [[`${folder}/${name}`, content]],
    ),
  )
}
