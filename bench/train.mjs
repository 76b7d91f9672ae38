// Training steps against transformers eager: tokens a second and peak memory, the same weights, rows and optimizer on
// both sides, step by step in turn. node bench/train.mjs [--threads N] [pairs] [CASE...]; a CASE is any part of a name
// such as 100m-2048-packed. On a busy machine compare cpu_seconds, best with one thread. The Python of `npm run test:parity` runs the peer: run that once before, or name an interpreter
// that has torch and transformers in TONGUEFORGE_PARITY_PYTHON. Read train.md for the results.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Side } from './side.mjs'
import { machine, summary } from './statistics.mjs'
import { CASES, writeCase } from './train_cases.mjs'

const TOKENS = 2048
const bench = dirname(fileURLToPath(import.meta.url))
const python = process.env.TONGUEFORGE_PARITY_PYTHON ?? join(bench, '../build/parity-env/bin/python')
const { values, positionals } = parseArgs({
  options: { threads: { type: 'string', default: '2' } },
  allowPositionals: true,
})
const { threads } = values
const [pairs = '3', ...wanted] = positionals

async function measure(one) {
  const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
  const steps = { ours: [], peer: [] }
  await writeCase(folder, one, Number(pairs) + 1)
  const ours = new Side(process.execPath, [join(bench, 'train_ours.mjs'), folder, threads])
  const peer = new Side(python, [join(bench, 'train_peer.py'), folder, threads])
  try {
    for (const side of [ours, peer]) await side.read() // both have loaded
    for (let step = 0; step <= Number(pairs); step++) {
      steps.ours.push(await ours.ask('step'))
      steps.peer.push(await peer.ask('step'))
    }
  } finally {
    for (const side of [ours, peer]) side.end()
    rmSync(folder, { recursive: true })
  }
  return compare(one.name, steps.ours, steps.peer)
}

// The first step of either makes its buffers and is left out of the times.
function compare(name, ours, peer) {
  const of = (side, key) => summary(side.slice(1).map((step) => step[key]))
  const ratios = ours.map((step, i) => peer[i].seconds / step.seconds).slice(1)
  const [a, b] = [of(ours, 'seconds'), of(peer, 'seconds')]
  const [cpu_a, cpu_b] = [of(ours, 'cpu_seconds'), of(peer, 'cpu_seconds')]
  const mib = (side) => Math.round(side.at(-1).peak_bytes / 2 ** 20)
  return {
    name,
    tokens_per_second: { ours: Math.round(TOKENS / a.min), peer: Math.round(TOKENS / b.min) },
    speed_ratio: {
      of_minima: Number((b.min / a.min).toFixed(2)),
      of_pairs: summary(ratios),
      of_cpu_minima: Number((cpu_b.min / cpu_a.min).toFixed(2)),
    },
    seconds_a_step: { ours: a, peer: b },
    cpu_seconds_a_step: { ours: cpu_a, peer: cpu_b },
    peak_mib: { ours: mib(ours), peer: mib(peer), ratio: Number((mib(ours) / mib(peer)).toFixed(2)) },
    losses: { ours: ours.map((step) => step.loss), peer: peer.map((step) => step.loss) },
    largest_loss_difference: Math.max(...ours.map((step, i) => Math.abs(step.loss / peer[i].loss - 1))),
  }
}

const rows = []
for (const one of CASES) {
  if (wanted.length > 0 && !wanted.some((part) => one.name.includes(part))) continue
  rows.push(await measure(one))
  console.error(JSON.stringify(rows.at(-1)))
}
console.log(JSON.stringify({ threads: Number(threads), tokens_a_step: TOKENS, rows, ...machine() }, null, 2))
