// Peak memory and tokens a second of training all weights, and of LoRA: node bench/lora.mjs [pairs] [width] [layers]
// Each run is a fresh process; the two kinds take turns.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeTinyModel } from '../test/helpers/tiny_model.mjs'
import { machine, summary } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
const [pairs = 3, width = 512, layers = 8] = process.argv.slice(2).map(Number)
const KINDS = { full: {}, lora: { lora: { rank: 16, merge: false } } }

// Trains some steps and prints its plan, its speed and the most memory it had.
const program = `
const { train } = require(${JSON.stringify(clone)})
train(JSON.parse(process.env.CONFIG), { overwrite: true }).result.then(({ report }) => {
  const { trained_parameters, parameters, memory_bytes } = report.plan
  const peak_rss = process.resourceUsage().maxRSS * 1024
  const { tokens_per_second } = report
  console.log(JSON.stringify({ parameters, trained_parameters, memory_bytes, peak_rss, tokens_per_second }))
})`

const root = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
try {
  const model = await writeTinyModel(join(root, 'model'), { width, layers })
  const data = join(root, 'corpus.txt')
  writeFileSync(data, 'the color of anna is red .\n\n'.repeat(4000))
  const config = (kind) => ({
    model,
    out: join(root, kind),
    data: [{ path: data }],
    sequence_length: 128,
    batch_size: 2,
    steps: 10,
    checkpoint: { every: 0 },
    threads: 2,
    ...KINDS[kind],
  })
  const rows = { full: [], lora: [] }
  for (let pair = 0; pair < pairs; pair++) {
    for (const kind of Object.keys(KINDS)) {
      const env = { ...process.env, CONFIG: JSON.stringify(config(kind)) }
      rows[kind].push(JSON.parse(execFileSync(process.execPath, ['-e', program], { env, encoding: 'utf8' })))
    }
  }
  const of = (kind, key) => rows[kind].map((row) => row[key])
  const figures = Object.fromEntries(
    Object.keys(KINDS).map((kind) => {
      const { parameters, trained_parameters, memory_bytes } = rows[kind][0]
      const [peak_rss, tokens_per_second] = ['peak_rss', 'tokens_per_second'].map((key) =>
        summary(of(kind, key)),
      )
      return [kind, { parameters, trained_parameters, memory_bytes, peak_rss, tokens_per_second }]
    }),
  )
  const least = (kind) => Math.min(...of(kind, 'peak_rss'))
  console.log(JSON.stringify({ ...figures, rss_ratio: least('lora') / least('full'), ...machine() }, null, 2))
} finally {
  rmSync(root, { recursive: true, force: true })
}
