// What the formats of a delta cost and keep, in the demo's world: node bench/delta.mjs [DEMO]
// Size, measured error, and the answers of cp + scale * delta(chat - base). DEMO is a folder that `tongueforge demo` has
// written, made here where it is missing.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyDelta, demo, extractDelta } from 'tongueforge'
import { measureModel, readQuestions } from './papers/questions.mjs'
import { machine } from './statistics.mjs'

const SCALE = 0.75
const FORMATS = [
  { format: 'dense' },
  { format: 'int8' },
  { format: 'int4' },
  { format: 'topk', density: 0.2 },
  { format: 'topk', density: 0.05 },
  { format: 'lowrank', rank: 24 },
  { format: 'lowrank', rank: 8 },
  { format: 'lowrank', energy: 0.9 },
]

const place = process.argv[2] ?? 'demo-out'
if (!existsSync(join(place, 'cp', 'config.json'))) await demo({ out: place })
const questions = readQuestions(join(place, 'world'))
const folder = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
const [base, chat, target] = ['base', 'chat', 'cp'].map((name) => join(place, name))
const rows = [{ model: 'cp', ...(await answers(target)) }]
for (const [i, settings] of FORMATS.entries()) {
  const [delta, out] = [join(folder, `delta-${i}`), join(folder, `model-${i}`)]
  const { bytes, ratio, relative_error } = await extractDelta({ base, chat, out: delta, ...settings })
  await applyDelta({ target, delta, scale: SCALE, out })
  rows.push({ ...settings, bytes, ratio, relative_error, ...(await answers(out)) })
}
rmSync(folder, { recursive: true })
process.stdout.write(`${JSON.stringify({ scale: SCALE, rows, ...machine() }, null, 2)}\n`)

async function answers(model) {
  return (await measureModel(model, questions)).row
}
