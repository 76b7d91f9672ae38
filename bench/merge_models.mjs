// Llama checkpoints of any size for benches: weights of a plausible scale in bfloat16, written as fast as the disk takes them.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const HIDDEN = 2048
const INTERMEDIATE = 8192
const KV = 512
const VOCAB = 32000

const layer = (i) =>
  Object.entries({
    'input_layernorm.weight': [HIDDEN],
    'mlp.down_proj.weight': [HIDDEN, INTERMEDIATE],
    'mlp.gate_proj.weight': [INTERMEDIATE, HIDDEN],
    'mlp.up_proj.weight': [INTERMEDIATE, HIDDEN],
    'post_attention_layernorm.weight': [HIDDEN],
    'self_attn.k_proj.weight': [KV, HIDDEN],
    'self_attn.o_proj.weight': [HIDDEN, HIDDEN],
    'self_attn.q_proj.weight': [HIDDEN, HIDDEN],
    'self_attn.v_proj.weight': [KV, HIDDEN],
  }).map(([name, shape]) => [`model.layers.${i}.${name}`, shape])

function tensors(layers) {
  return [
    ['lm_head.weight', [VOCAB, HIDDEN]],
    ['model.embed_tokens.weight', [VOCAB, HIDDEN]],
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ['model.norm.weight', [HIDDEN]],
  ].sort(([a], [b]) => (a < b ? -1 : 1))
}

const config = (layers) => ({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: HIDDEN,
  intermediate_size: INTERMEDIATE,
  num_hidden_layers: layers,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  vocab_size: VOCAB,
  max_position_embeddings: 4096,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  torch_dtype: 'bfloat16',
})

/** Writes a model folder; the same options give the same bytes. 60.8 million parameters a layer, 131 million beside them. */
export function writeLlama(folder, { seed, layers }) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config(layers)))
  let end = 0
  const header = Object.fromEntries(
    tensors(layers).map(([name, shape]) => {
      const begin = end
      end += 2 * shape.reduce((a, b) => a * b)
      return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }]
    }),
  )
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...header })
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  const file = openSync(join(folder, 'model.safetensors'), 'w')
  writeSync(file, length)
  writeSync(file, padded)
  const values = weights(seed)
  for (let left = end; left > 0; left -= values.length)
    writeSync(file, values, 0, Math.min(left, values.length))
  closeSync(file)
}

/** 8 MB less a little of bfloat16 values below 0.06, so that neighbouring stretches of a file differ. */
function weights(seed) {
  const values = new Uint16Array((4 << 20) - 977)
  let state = seed | 0
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    values[i] = ((state >>> 16) & 0x80ff) | (0x3a00 + ((state >>> 8) & 0x0300))
  }
  return Buffer.from(values.buffer)
}
