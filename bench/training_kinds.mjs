// Peak memory and tokens a second of kinds of training that differ by some keys of a config. Each run is a fresh
// process; the kinds take turns.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeTinyModel } from '../test/helpers/tiny_model.mjs'
import { machine, summary } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))

// Trains some steps and prints its plan, its speed and the most memory it had.
const program = `
const { train } = require(${JSON.stringify(clone)})
train(JSON.parse(process.env.CONFIG), { overwrite: true }).result.then(({ report }) => {
  const { data, held_out, ...plan } = report.plan
  const peak_rss = process.resourceUsage().maxRSS * 1024
  const { tokens_per_second } = report
  console.log(JSON.stringify({ plan, peak_rss, tokens_per_second }))
})`

/** `kinds`: keys of each, by name; `config`: those of all; `size`: of the model. Prints one JSON document. */
export async function compareKinds(kinds, { pairs, size, config }) {
  const root = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
  try {
    const model = await writeTinyModel(join(root, 'model'), size)
    const data = join(root, 'corpus.txt')
    writeFileSync(data, 'the color of anna is red .\n\n'.repeat(4000))
    const shared = { model, data: [{ path: data }], checkpoint: { every: 0 }, threads: 2, ...config }
    const runs = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))
    for (let pair = 0; pair < pairs; pair++)
      for (const [kind, keys] of Object.entries(kinds))
        runs[kind].push(trained({ ...shared, out: join(root, kind), ...keys }))
    const figures = Object.entries(runs).map(([kind, rows]) => [
      kind,
      figuresOf(rows, Object.values(runs)[0]),
    ])
    console.log(JSON.stringify({ ...Object.fromEntries(figures), ...machine() }, null, 2))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

function trained(config) {
  const env = { ...process.env, CONFIG: JSON.stringify(config) }
  return JSON.parse(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' }))
}

// Ratios are to the first kind: of the least memory, and of the speeds pair by pair.
function figuresOf(rows, first) {
  const of = (all, key) => all.map((row) => row[key])
  const least = (all) => Math.min(...of(all, 'peak_rss'))
  const speeds = rows.map((row, i) => row.tokens_per_second / first[i].tokens_per_second)
  return {
    plan: rows[0].plan,
    peak_rss: summary(of(rows, 'peak_rss')),
    tokens_per_second: summary(of(rows, 'tokens_per_second')),
    rss_ratio: least(rows) / least(first),
    speed_ratio: summary(speeds),
  }
}
