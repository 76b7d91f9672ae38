// Steps a second of a tiny model, with OpenMP threads that sleep or spin while they wait, on one and two threads,
// alone and beside two busy processes: node bench/wait_policy.mjs [runs]
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, summary } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
const runs = Number(process.argv[2] ?? 3)
const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))

function stepsPerSecond(policy, threads) {
  const worker = join(clone, 'bench/wait_policy_worker.mjs')
  const env = { ...process.env, OMP_WAIT_POLICY: policy }
  return Number(execFileSync(process.execPath, [worker, folder, String(threads)], { encoding: 'utf8', env }))
}

async function withNeighbours(count, work) {
  const neighbours = Array.from({ length: count }, () => spawn(process.execPath, ['-e', 'for (;;);']))
  try {
    return work()
  } finally {
    for (const neighbour of neighbours) neighbour.kill('SIGKILL')
  }
}

const rows = []
for (const neighbours of [0, 2]) {
  for (const threads of [1, 2]) {
    const row = { neighbours, threads }
    const measured = { PASSIVE: [], ACTIVE: [] }
    await withNeighbours(neighbours, () => {
      for (let run = 0; run < runs; run++)
        for (const policy of Object.keys(measured)) measured[policy].push(stepsPerSecond(policy, threads))
    })
    for (const [policy, values] of Object.entries(measured)) row[policy.toLowerCase()] = summary(values)
    rows.push(row)
  }
}
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ unit: 'steps/s', rows, ...machine() }, null, 2))
