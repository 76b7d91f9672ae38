// Decoding on the CPU against transformers' generate: tokens a second, weights read a second against what the memory gives,
// time to the first token; the same weights, prompts and threads, greedily, request by request in turn.
// node bench/generate.mjs [--threads N] [--pairs N] [--model 100m] [--dtypes float32,bfloat16] [--batches 1,8,32] [--tokens N]
// The Python of `npm run test:parity` runs the peer: run that once before, or name an interpreter that has torch and
// transformers in TONGUEFORGE_PARITY_PYTHON. Read generate.md for the results.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Side } from './side.mjs'
import { machine, summary } from './statistics.mjs'
import { writeModel } from './train_cases.mjs'

const PROMPT = 32
const READ_BYTES = 2 ** 28
const bench = dirname(fileURLToPath(import.meta.url))
const python = process.env.TONGUEFORGE_PARITY_PYTHON ?? join(bench, '../build/parity-env/bin/python')
const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '2' },
    pairs: { type: 'string', default: '5' },
    model: { type: 'string', default: '100m' },
    dtypes: { type: 'string', default: 'float32,bfloat16' },
    batches: { type: 'string', default: '1,8,32' },
    tokens: { type: 'string', default: '32' },
  },
})
const pairs = Number(values.pairs)
const tokens = Number(values.tokens)
const prompt = Array.from({ length: PROMPT }, (_, i) => (i * 37) % 1000)

/** Seconds to the first token and for each after it: what surrounds a call is in the first. */
async function timed(side, batch) {
  const first = await side.ask(JSON.stringify({ batch, prompt, tokens: 1 }))
  const all = await side.ask(JSON.stringify({ batch, prompt, tokens }))
  const each = (key) => (all[key] - first[key]) / (tokens - 1)
  return { first: first.seconds, token: each('seconds'), cpu: each('cpu_seconds'), ids: all.ids }
}

async function measure(sides, batch, bytes) {
  const runs = { ours: [], peer: [], read: [] }
  for (let pair = 0; pair <= pairs; pair++) {
    runs.ours.push(await timed(sides.ours, batch))
    runs.peer.push(await timed(sides.peer, batch))
    const { seconds } = await sides.peer.ask(JSON.stringify({ read: READ_BYTES }))
    runs.read.push(READ_BYTES / seconds / 1e9)
  }
  for (const all of Object.values(runs)) all.shift() // both make their buffers
  return { batch, ...compare(runs, batch, bytes) }
}

function compare({ ours, peer, read }, batch, bytes) {
  const of = (side, key) => summary(side.map((run) => run[key]))
  const ratio = (key) => summary(ours.map((run, i) => peer[i][key] / run[key]))
  const rate = (side) => Number((batch / of(side, 'token').min).toFixed(1))
  const gigabytes = (side) => Number((bytes / of(side, 'token').min / 1e9).toFixed(1))
  return {
    tokens_per_second: { ours: rate(ours), peer: rate(peer) },
    ratio: ratio('token'),
    cpu_ratio: ratio('cpu'),
    weights_gb_per_second: { ours: gigabytes(ours), peer: gigabytes(peer), memory: summary(read).max },
    first_token_seconds: { ours: of(ours, 'first').min, peer: of(peer, 'first').min, ratio: ratio('first') },
    same_ids: ours[0].ids.filter((id, i) => id === peer[0].ids[i]).length / tokens,
  }
}

async function compareDtype(dtype) {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
  await writeModel(folder, values.model, dtype)
  const bytes = statSync(join(folder, 'model.safetensors')).size
  const ours = [join(bench, 'generate_ours.mjs'), folder, dtype, values.threads, 'dense']
  const sides = {
    ours: new Side(process.execPath, ours),
    peer: new Side(python, [join(bench, 'generate_peer.py'), folder, dtype, values.threads]),
  }
  try {
    for (const side of Object.values(sides)) await side.read() // both have loaded
    for (const batch of values.batches.split(',').map(Number)) {
      rows.push({ dtype, ...(await measure(sides, batch, bytes)) })
      console.error(JSON.stringify(rows.at(-1)))
    }
  } finally {
    for (const side of Object.values(sides)) side.end()
    rmSync(folder, { recursive: true })
  }
}

const rows = []
for (const dtype of values.dtypes.split(',')) await compareDtype(dtype)
const { threads, model } = values
console.log(
  JSON.stringify({ model, threads: Number(threads), tokens, rows, load: loadavg(), ...machine() }, null, 2),
)
