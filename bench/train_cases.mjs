// What train.mjs trains: the models, the rows of text, and the folder that hands both to our trainer and to its peer.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { packedRows, uniform } from './packed_rows.mjs'

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

/** Writes model.safetensors and config.json of a model of random weights into `folder`; gives the config. */
export async function writeModel(folder, model, dtype = 'float32') {
  mkdirSync(folder, { recursive: true })
  const config = { ...llamaConfig(MODELS[model]), torch_dtype: dtype }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const options = { spec: decoderSpec(config), init: { ...INIT, seed: 1 }, threads: 2 }
  const handle = await runJob('initialiseModel', options)
  await runJob('saveModel', { model: handle, folder, dtype, max_shard_bytes: 1e10 })
  native().dispose(handle)
  return config
}

/** Writes model.safetensors, config.json and batches.json for `steps` updates into `folder`. */
export async function writeCase(folder, { model, length, documents }, steps) {
  const config = await writeModel(folder, model)
  const shape = { rows: TOKENS_A_STEP / length, length, vocabulary: config.vocab_size }
  const random = uniform(7)
  const batches = Array.from({ length: steps }, () =>
    packedRows(random, { ...shape, spread: 384, whole: documents === 'whole' }),
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
