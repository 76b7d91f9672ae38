// Times a fresh process from `require` to the first tensor: node bench/startup.mjs [runs]
import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { machine, summary } from './statistics.mjs'

const clone = dirname(dirname(fileURLToPath(import.meta.url)))
const model = join(clone, 'test/golden/decoder/llama')
const runs = Number(process.argv[2] ?? 15)

// Milliseconds since the call of require, measured inside the process, and its whole life.
const program = `
const start = performance.now()
const { loadModel, doctor } = require(${JSON.stringify(clone)})
const required = performance.now() - start
;(async () => {
  const model = await loadModel(${JSON.stringify(model)}, { threads: 1 })
  const loaded = performance.now() - start
  await model.logits([[1, 2, 3]])
  console.log(JSON.stringify({ require: required, model_loaded: loaded, first_logits: performance.now() - start }))
})()`

const rows = []
for (let run = 0; run <= runs; run++) {
  const began = performance.now()
  const row = JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }))
  row.process = performance.now() - began
  if (run > 0) rows.push(row) // the first one fills the page cache
}
const figures = Object.fromEntries(
  Object.keys(rows[0]).map((key) => [key, summary(rows.map((row) => row[key]))]),
)
console.log(JSON.stringify({ unit: 'ms', ...figures, ...machine() }, null, 2))
