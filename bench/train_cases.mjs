// What train.mjs trains: the models, the rows of text, and the folder that hands both to our trainer and to its peer.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'

const MODELS = {
  '15m': { hidden: 384, intermediate: 1024, layers: 8, heads: 6, kv_heads: 2, vocab: 8192 },
  '100m': { hidden: 768, intermediate: 2048, layers: 12, heads: 12, kv_heads: 4, vocab: 32000 },
}
const TOKENS_A_STEP = 2048
const INIT = {
  embedding_std: 0.02,
  matrix_std: 0.02,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}

/** Every model at rows of 512 and 2048 tokens, of many documents each and of one. */
export const CASES = Object.keys(MODELS).flatMap((model) =>
  [512, 2048].flatMap((length) =>
    ['packed', 'whole'].map((documents) => ({
      name: `${model}-${length}-${documents}`,
      model,
      length,
      documents,
    })),
  ),
)

/** Writes model.safetensors, config.json and batches.json for `steps` updates into `folder`. */
export async function writeCase(folder, { model, length, documents }, steps) {
  mkdirSync(folder, { recursive: true })
  const config = llamaConfig(MODELS[model])
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const options = { spec: decoderSpec(config), init: { ...INIT, seed: 1 }, threads: 2 }
  const handle = await runJob('initialiseModel', options)
  await runJob('saveModel', { model: handle, folder, dtype: 'float32', max_shard_bytes: 1e10 })
  native().dispose(handle)
  const random = uniform(7)
  const batches = Array.from({ length: steps }, () =>
    makeBatch(random, config.vocab_size, length, documents === 'whole'),
  )
  writeFileSync(join(folder, 'batches.json'), JSON.stringify(batches))
}

function llamaConfig({ hidden, intermediate, layers, heads, kv_heads, vocab }) {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kv_heads,
    max_position_embeddings: 2048,
    vocab_size: vocab,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
  }
}

// Rows full of documents of 16 to 400 tokens (the last one of a row is cut), or of one document each.
function makeBatch(random, vocab, length, whole) {
  const rows = TOKENS_A_STEP / length
  const batch = { rows, ids: [], labels: [], segments: [], positions: [] }
  for (let row = 0; row < rows; row++) {
    for (let segment = 0, filled = 0; filled < length; segment++) {
      const size = whole ? length : Math.min(16 + Math.floor(384 * random()), length - filled)
      for (let position = 0; position < size; position++) {
        const id = Math.floor(vocab ** random()) - 1 // few tokens are frequent, many are rare
        batch.ids.push(id)
        batch.labels.push(position === 0 ? -100 : id)
        batch.segments.push(segment)
        batch.positions.push(position)
      }
      filled += size
    }
  }
  return batch
}

// Numbers from 0 to 1 (mulberry32).
function uniform(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
