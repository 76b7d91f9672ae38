// What each way of making a model smaller is worth in time, beside what it saves in multiplications: half the heads, half
// the rows, half the layers, half the parameters by low rank, and 80, 90 and 95 % of single weights left out (CSR). Encoder-like
// sizes where matrix products dominate (768 wide, 3072 in the feed-forward block), random weights, one thread:
//   node bench/compress_speed.mjs [--model llama | melhubert] [--tokens 128,512] [--layers 4] [--runs 30] [--threads 1]
// A variant and the whole model take turns; each figure is the least of all runs. `of_ideal` is the speed-up by the ratio of
// MACs: of a pass over the prompt, and of a decoded token; of speech, of a pass over so many places of 20 ms.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compress } from 'tongueforge'
import { MODELS } from './compress_speed_models.mjs'
import { machine } from './statistics.mjs'

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'llama' },
    tokens: { type: 'string', default: '128,512' },
    layers: { type: 'string', default: '4' },
    runs: { type: 'string', default: '30' },
    threads: { type: 'string', default: '1' },
    turns: { type: 'string', default: '3' },
  },
})
const threads = Number(values.threads)
const runs = Number(values.runs)
const kind = MODELS[values.model]
const scratch = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))

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

/** The folder of a variant. */
function variant(name, { stage, keepLayers }, model) {
  const out = join(scratch, name.replaceAll(/\W+/g, '-'))
  if (keepLayers) return kind.write(out, Number(values.layers) / 2, threads)
  return compress({ model, out, stages: [stage], threads }).result.then((result) => result.model)
}

const round = (value) => Number(value.toPrecision(3))

async function compared(name, options, model, tokens) {
  const folder = await folders[name]
  const least = (list, key) => Math.min(...list.map((one) => one[key]))
  const [whole, small] = [[], []]
  for (let turn = 0; turn < Number(values.turns); turn++) {
    whole.push(await kind.timed(model, tokens, { runs, threads }))
    small.push(await kind.timed(folder, tokens, { runs, threads, sparse: options.sparse }))
  }
  const [before, after] = [await kind.macs(model, tokens), await kind.macs(folder, tokens)]
  const figures = Object.fromEntries(
    Object.keys(before).map((key) => {
      const [speedup, ideal] = [least(whole, key) / least(small, key), before[key] / after[key]]
      return [key, { speedup: round(speedup), ideal: round(ideal), of_ideal: round(speedup / ideal) }]
    }),
  )
  const layers = small.at(-1).sparse
  const sparse = layers && {
    more: layers.filter(({ more }) => more.sparse).length,
    one: layers.filter(({ one }) => one.sparse).length,
    of: layers.length,
  }
  return { name, tokens, ...figures, ...(sparse && { sparse_layers: sparse }) }
}

const folders = {}
try {
  const model = await kind.write(join(scratch, 'whole'), Number(values.layers), threads)
  for (const [name, options] of Object.entries(VARIANTS)) folders[name] = await variant(name, options, model)
  const rows = []
  for (const tokens of values.tokens.split(',').map(Number))
    for (const [name, options] of Object.entries(VARIANTS)) {
      rows.push(await compared(name, options, model, tokens))
      console.error(JSON.stringify(rows.at(-1)))
    }
  console.log(
    JSON.stringify(
      { model: values.model, width: 768, hidden: 3072, layers: values.layers, threads, rows, ...machine() },
      null,
      2,
    ),
  )
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
