// What each way of making a model smaller is worth in time, beside what it saves in multiplications: half the heads, half
// the rows, half the layers, half the parameters by low rank, and 80, 90 and 95 % of single weights left out (CSR). Encoder-like
// sizes where matrix products dominate (768 wide, 3072 in the feed-forward block), random weights, one thread:
//   node bench/compress_speed.mjs [--tokens 128,512] [--layers 4] [--runs 30] [--threads 1]
// A variant and the whole model take turns; each figure is the least of all runs. `of_ideal` is the speed-up by the ratio of
// MACs: of a pass over the prompt, and of a decoded token.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compress, inspect, measureSpeed } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { writeTokenizer } from '#lib/world/tokenizer'
import { machine } from './statistics.mjs'

const { values } = parseArgs({
  options: {
    tokens: { type: 'string', default: '128,512' },
    layers: { type: 'string', default: '4' },
    runs: { type: 'string', default: '30' },
    threads: { type: 'string', default: '1' },
    turns: { type: 'string', default: '3' },
  },
})
const threads = Number(values.threads)
const scratch = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))

const CONFIG = {
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: Number(values.layers),
  num_attention_heads: 12,
  num_key_value_heads: 12,
  max_position_embeddings: 2048,
  vocab_size: 256, // the head is no matter here
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  torch_dtype: 'float32',
}
const INIT = {
  seed: 1,
  embedding_std: 1,
  matrix_std: 0,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}
const pruned = (sparsity) => ({ stage: { method: 'prune', sparsity, scope: 'layer' }, sparse: 'auto' })
const VARIANTS = {
  'half the heads': { stage: { method: 'heads', criterion: 'l1', keep: 6 } },
  'half the rows': { stage: { method: 'rows', criterion: 'l1', keep: 1536 } },
  'half the layers': { keepLayers: true },
  'half the parameters, low rank': { stage: { method: 'lowrank', ratio: 0.5, whiten: false } },
  '80 % of the weights zero': pruned(0.8),
  '90 % of the weights zero': pruned(0.9),
  '95 % of the weights zero': pruned(0.95),
}

async function writeModel(folder, config) {
  mkdirSync(folder)
  await writeTokenizer(folder, { endOfTurn: false })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const model = await runJob('initialiseModel', { spec: decoderSpec(config), init: INIT, threads })
  await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 5e9 })
  native().dispose(model)
  return folder
}

/** The folder of a variant. */
function variant(name, { stage, keepLayers }, model) {
  const out = join(scratch, name.replaceAll(/\W+/g, '-'))
  if (keepLayers) return writeModel(out, { ...CONFIG, num_hidden_layers: CONFIG.num_hidden_layers / 2 })
  return compress({ model, out, stages: [stage], threads }).result.then((result) => result.model)
}

async function timed(folder, tokens, sparse) {
  const report = await measureSpeed(folder, {
    tokens,
    newTokens: 8,
    runs: Number(values.runs),
    threads,
    sparse,
  })
  return { prompt: report.first_token_seconds.min, token: report.token_seconds.min, sparse: report.sparse }
}

/** Of a prompt, and of one token more: effective, which is what is left of zeros too. */
async function macsOf(folder, tokens) {
  const of = async (count) => (await inspect(folder, { macs: true, tokens: count })).macs.effective.core
  return { prompt: await of(tokens), token: (await of(tokens + 1)) - (await of(tokens)) }
}

const round = (value) => Number(value.toPrecision(3))

async function compared(name, options, model, tokens) {
  const folder = await folders[name]
  const least = (list, key) => Math.min(...list.map((one) => one[key]))
  const [whole, small] = [[], []]
  for (let turn = 0; turn < Number(values.turns); turn++) {
    whole.push(await timed(model, tokens))
    small.push(await timed(folder, tokens, options.sparse))
  }
  const [before, after] = [await macsOf(model, tokens), await macsOf(folder, tokens)]
  const figures = Object.fromEntries(
    ['prompt', 'token'].map((key) => {
      const [speedup, ideal] = [least(whole, key) / least(small, key), before[key] / after[key]]
      return [key, { speedup: round(speedup), ideal: round(ideal), of_ideal: round(speedup / ideal) }]
    }),
  )
  const layers = small.at(-1).sparse
  const sparse = layers && {
    prompt: layers.filter(({ more }) => more.sparse).length,
    token: layers.filter(({ one }) => one.sparse).length,
    of: layers.length,
  }
  return { name, tokens, ...figures, ...(sparse && { sparse_layers: sparse }) }
}

const folders = {}
try {
  const model = await writeModel(join(scratch, 'whole'), CONFIG)
  for (const [name, options] of Object.entries(VARIANTS)) folders[name] = await variant(name, options, model)
  const rows = []
  for (const tokens of values.tokens.split(',').map(Number))
    for (const [name, options] of Object.entries(VARIANTS)) {
      rows.push(await compared(name, options, model, tokens))
      console.error(JSON.stringify(rows.at(-1)))
    }
  console.log(
    JSON.stringify(
      { config: { width: 768, rows: 3072, layers: CONFIG.num_hidden_layers }, threads, rows, ...machine() },
      null,
      2,
    ),
  )
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
