// Wanda and SparseGPT, calibration included, against the public algorithms written plainly in torch: seconds and peak
// memory on the same weights and rows, a fresh process each, pair by pair. node bench/compress_weights.mjs [--threads 1] [--pairs 3]
// [--model 15m,100m] [--rows 16] [--length 512] [--only wanda,sparsegpt]. The Python of `npm run test:parity` runs the peer, or name an interpreter
// that has torch in TONGUEFORGE_PARITY_PYTHON. On a busy machine compare cpu_seconds with one thread.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machine, summary } from './statistics.mjs'
import { CASES, writeCase } from './train_cases.mjs'

const bench = dirname(fileURLToPath(import.meta.url))
const python = process.env.TONGUEFORGE_PARITY_PYTHON ?? join(bench, '../build/parity-env/bin/python')
const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    pairs: { type: 'string', default: '3' },
    model: { type: 'string', default: '15m,100m' },
    rows: { type: 'string', default: '16' },
    length: { type: 'string', default: '512' },
    only: { type: 'string', default: 'wanda,sparsegpt' },
  },
})
const { threads, pairs, length } = values
const rows = Number(values.rows)
const SIDES = {
  ours: [process.execPath, join(bench, 'compress_weights_ours.mjs')],
  peer: [python, join(bench, 'compress_weights_peer.py')],
}
const WAYS = [
  { criterion: 'wanda', pattern: 'unstructured' },
  { criterion: 'sparsegpt', pattern: 'unstructured' },
  { criterion: 'sparsegpt', pattern: '2:4' },
]

/** One process: it loads, prunes half of the weights, and says what that took. */
function run(side, folder, { criterion, pattern }) {
  const [command, script] = SIDES[side]
  const { status, stdout, stderr } = spawnSync(command, [script, folder, threads, criterion, pattern], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${side} ended with ${status}:\n${stderr.slice(-2000)}`)
  return JSON.parse(stdout)
}

function compare(name, way, { ours, peer }) {
  const of = (side, key) => summary(side.map((one) => one[key]))
  const ratio = (key) => ({
    of_minima: Number((of(peer, key).min / of(ours, key).min).toFixed(2)),
    of_pairs: summary(ours.map((one, i) => peer[i][key] / one[key])),
  })
  const mib = (side) => Math.round(of(side, 'peak_bytes').max / 2 ** 20)
  return {
    model: name,
    ...way,
    speed_ratio: ratio('seconds'),
    cpu_ratio: ratio('cpu_seconds'),
    seconds: { ours: of(ours, 'seconds'), peer: of(peer, 'seconds') },
    cpu_seconds: { ours: of(ours, 'cpu_seconds'), peer: of(peer, 'cpu_seconds') },
    peak_mib: { ours: mib(ours), peer: mib(peer), ratio: Number((mib(ours) / mib(peer)).toFixed(2)) },
    zeros: { ours: ours[0].zeros, peer: peer[0].zeros },
    error: { ours: ours[0].error, peer: peer[0].error },
  }
}

const results = []
for (const model of values.model.split(',')) {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
  try {
    const one = CASES.find((of) => of.name === `${model}-${length}-whole`)
    await writeCase(folder, one, Math.ceil((rows * one.length) / 2048))
    const batches = JSON.parse(readFileSync(join(folder, 'batches.json'), 'utf8'))
    const ids = batches.flatMap((batch) => batch.ids).slice(0, rows * one.length)
    writeFileSync(join(folder, 'rows.json'), JSON.stringify({ ids, length: one.length }))
    for (const way of WAYS.filter(({ criterion }) => values.only.split(',').includes(criterion))) {
      const runs = { ours: [], peer: [] }
      for (let pair = 0; pair < Number(pairs); pair++)
        for (const side of Object.keys(runs)) runs[side].push(run(side, folder, way))
      results.push(compare(model, way, runs))
      console.error(JSON.stringify(results.at(-1)))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
const work = { threads: Number(threads), rows, length: Number(length), sparsity: 0.5 }
console.log(JSON.stringify({ ...work, results, ...machine() }, null, 2))
