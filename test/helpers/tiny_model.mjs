// Models for tests that need no knowledge, only weights that run: random, with the demo's tokenizer and chat template.
import { cp, mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { Random } from '#lib/text/random'
import { VOCABULARY, writeTokenizer } from '#lib/world/tokenizer'

export const INIT = {
  embedding_std: 1,
  matrix_std: 0.08,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}

/** config.json of a Llama; 100 k parameters at width 32, 4.1 million at 256. */
export function tinyConfig({ width = 32, layers = 2, tied = false, positions = 256 } = {}) {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_size: width,
    intermediate_size: 4 * width,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: positions,
    vocab_size: VOCABULARY.length,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: tied,
    torch_dtype: 'float32',
  }
}

/** Writes a model folder with random weights; the same options give the same bytes. Returns the folder. */
export async function writeTinyModel(folder, { seed = 1, dtype = 'float32', ...size } = {}) {
  const config = { ...tinyConfig(size), torch_dtype: dtype }
  await mkdir(folder, { recursive: true })
  await writeTokenizer(folder, { endOfTurn: false })
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const model = await runJob('initialiseModel', {
    spec: decoderSpec(config),
    init: { ...INIT, seed },
    threads: 1,
  })
  await runJob('saveModel', { model, folder, dtype, max_shard_bytes: 1e9 })
  native().dispose(model)
  return folder
}

/**
 * Writes a model folder whose weights are a hole: all sizes are there, in bfloat16, and no disk is taken. For what looks
 * at headers alone.
 */
export async function writeHollowModel(folder, config) {
  await mkdir(folder, { recursive: true })
  await writeTokenizer(folder, { endOfTurn: true })
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  const parameters = await runJob('describeModel', { spec: decoderSpec(config) })
  let end = 0
  const header = {}
  for (const { name, shape } of parameters) {
    const begin = end
    end += 2 * shape.reduce((product, length) => product * length, 1)
    header[name] = { dtype: 'BF16', shape, data_offsets: [begin, end] }
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = join(folder, 'model.safetensors')
  await writeFile(file, Buffer.concat([length, text]))
  await truncate(file, 8 + text.length + end)
  return folder
}

/** Multiplies the input row of one token. With NaN, what holds this token has a loss that is no number, and nothing else. */
export async function scaleEmbeddingRow(folder, word, factor) {
  const file = join(folder, 'model.safetensors')
  const bytes = await readFile(file)
  const data = 8 + Number(bytes.readBigUInt64LE(0))
  const { shape, data_offsets } = JSON.parse(bytes.toString('utf8', 8, data))['model.embed_tokens.weight']
  const first = data + data_offsets[0] + 4 * shape[1] * VOCABULARY.indexOf(word)
  for (let at = first; at < first + 4 * shape[1]; at += 4)
    bytes.writeFloatLE(factor * bytes.readFloatLE(at), at)
  await writeFile(file, bytes)
}

/** Copies a float32 model and trains it on, as it were: every weight w becomes w + size * |w| * a random number in [-1, 1). */
export async function writeDescendant(from, to, { seed = 1, size = 0.3 } = {}) {
  await cp(from, to, { recursive: true })
  const file = join(to, 'model.safetensors')
  const bytes = await readFile(file)
  const random = new Random(seed)
  for (let at = 8 + Number(bytes.readBigUInt64LE(0)); at < bytes.length; at += 4) {
    const weight = bytes.readFloatLE(at)
    bytes.writeFloatLE(weight + size * Math.abs(weight) * (random.uint32() / 2 ** 31 - 1), at)
  }
  await writeFile(file, bytes)
  return to
}
