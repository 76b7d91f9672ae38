// The models that bench/gpu.mjs trains and the rows they read: folders that both sides load.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { packedRows, uniform } from '../packed_rows.mjs'

const BATCHES = 4 // of an update each, taken in turn
const VOCABULARY = 32000

/** Llamas with heads of 64 and a tied head. */
export const SIZES = {
  tiny: { hidden: 128, intermediate: 256, layers: 2, heads: 2, kv_heads: 1 },
  '125m': { hidden: 768, intermediate: 2560, layers: 12, heads: 12, kv_heads: 12 },
  '350m': { hidden: 1024, intermediate: 2816, layers: 24, heads: 16, kv_heads: 16 },
  '1b': { hidden: 2048, intermediate: 8192, layers: 16, heads: 32, kv_heads: 8 },
}
const INIT = {
  embedding_std: 0.02,
  matrix_std: 0.02,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
  seed: 1,
}

function llamaConfig({ hidden, intermediate, layers, heads, kv_heads }) {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kv_heads,
    max_position_embeddings: 4096,
    vocab_size: VOCABULARY,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    torch_dtype: 'bfloat16',
    bos_token_id: 1,
    eos_token_id: null,
  }
}

/** Writes batches of so many tokens in rows of a length into `folder`, and the model in bfloat16 unless it is there. */
export async function writeSize(folder, size, rows) {
  mkdirSync(folder, { recursive: true })
  for (const documents of ['whole', 'packed'])
    writeFileSync(join(folder, `${documents}.json`), JSON.stringify(batches(documents, rows)))
  if (existsSync(join(folder, 'config.json'))) return
  const config = llamaConfig(SIZES[size])
  const handle = await runJob('initialiseModel', { spec: decoderSpec(config), init: INIT, threads: 0 })
  await runJob('saveModel', { model: handle, folder, dtype: 'bfloat16', max_shard_bytes: 1e11 })
  native().dispose(handle)
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config)) // last: what is there is whole
}

/** Floating-point operations of an update by token: products with weights, and causal attention within documents. */
export function flopsPerToken(
  { hidden_size: d, intermediate_size: f, num_hidden_layers: l, vocab_size: v, ...rest },
  batch,
) {
  const kv = (d * rest.num_key_value_heads) / rest.num_attention_heads
  const weights = l * (2 * d * d + 2 * d * kv + 3 * d * f) + v * d
  const pairs = lengths(batch).reduce((sum, n) => sum + (n * (n + 1)) / 2, 0) / batch.ids.length
  return 6 * weights + 12 * l * d * pairs
}

/** Of the documents of a batch, in tokens. */
function lengths({ positions }) {
  const starts = positions.flatMap((position, i) => (position === 0 ? [i] : []))
  return starts.map((start, i) => (starts[i + 1] ?? positions.length) - start)
}

function batches(documents, { tokens, length }) {
  const shape = { rows: tokens / length, length, vocabulary: VOCABULARY }
  const random = uniform(7)
  return Array.from({ length: BATCHES }, () =>
    packedRows(random, { ...shape, spread: 984, whole: documents === 'whole' }),
  )
}
