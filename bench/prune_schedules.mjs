// Pruning at once against pruning little by little, at equal numbers of updates: held-out loss of a small model.
//   node bench/prune_schedules.mjs [--seeds 1,2,3] [--sparsities 0.8] [--steps 120] [--base 250] [--threads 1]
// stories260K learns Shakespeare (TONGUEFORGE_DATA, or ../shared/data) for `base` updates; each arm goes on from there
// for `steps` more, with rows in the order of its seed, at one learning rate that falls in the last quarter:
//   dense     without pruning: what the updates alone would give
//   at once   all of it before the first update
//   cubic     on the cubic schedule, the last in three quarters of the run
//   paper     at the targets of arXiv 2211.09949 up to the sparsity, evenly in three quarters of the run
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { train } from '#lib/verbs/train'
import { PAPER_TARGETS } from '#lib/verbs/training/prune_schedule'
import { dataPath } from '../test/helpers/data.mjs'
import { machine } from './statistics.mjs'

const { values: given } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    sparsities: { type: 'string', default: '0.8' },
    steps: { type: 'string', default: '120' },
    base: { type: 'string', default: '250' },
    threads: { type: 'string', default: '1' },
  },
})
const [seeds, sparsities] = [given.seeds, given.sparsities].map((list) => list.split(',').map(Number))
const [steps, base, threads] = [given.steps, given.base, given.threads].map(Number)
const LAST_PRUNING = Math.floor(0.75 * steps)
const HELD_OUT_LINES = 1000
const LEARNING = {
  sequence_length: 64,
  batch_size: 8,
  optimizer: { lr: 1e-3, weight_decay: 0 },
  schedule: { kind: 'wsd', warmup: 10, decay: 0.25 },
  checkpoint: { every: 0 },
  threads,
}

const [text, model] = ['corpus/en_tinyshakespeare.txt', 'models/stories260K_hf'].map(dataPath)
const absent = [text, model].filter((path) => !existsSync(path))
if (absent.length > 0) {
  console.error(`left out: no ${absent.join(', no ')} (TONGUEFORGE_DATA, or ../shared/data)`)
  process.exit(0)
}
const root = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
process.once('exit', () => rmSync(root, { recursive: true, force: true }))
const lines = readFileSync(text, 'utf8').split('\n')
const [data, heldOut] = [lines.slice(0, -HELD_OUT_LINES), lines.slice(-HELD_OUT_LINES)].map((part, i) => {
  const path = join(root, `${i}.txt`)
  writeFileSync(path, part.join('\n'))
  return [{ path, split: 'paragraph' }]
})

const arms = (sparsity) => ({
  'at once': { schedule: 'targets', targets: [sparsity] },
  cubic: { schedule: 'cubic', final: sparsity, every: Math.max(1, Math.floor(LAST_PRUNING / 9)) },
  paper: stepwise(PAPER_TARGETS.filter((target) => target <= sparsity)),
})

function stepwise(targets) {
  return { schedule: 'targets', targets, every: Math.max(1, Math.floor(LAST_PRUNING / (targets.length - 1))) }
}

let runs = 0
async function trained(changes) {
  const out = join(root, `run-${runs++}`)
  const options = { ...LEARNING, model, data, eval: { every: 1e6, data: heldOut }, out, ...changes }
  const { model: folder, report } = await train(options).result
  return { folder, report }
}

const start = await trained({ steps: base, seed: 1000 })
console.error(`base: held-out loss ${start.report.eval_loss}`)
const losses = {}
for (const seed of seeds) {
  const arm = async (name, pruning) => {
    const { report } = await trained({ model: start.folder, steps, seed, ...(pruning && { pruning }) })
    const told = report.masks && { zeros: report.masks.zeros, prunings: report.pruning.targets.length }
    losses[name] ??= { losses: [], ...told }
    losses[name].losses.push(report.eval_loss)
    console.error(`seed ${seed}, ${name}: ${report.eval_loss}`)
  }
  await arm('dense')
  for (const sparsity of sparsities)
    for (const [name, pruning] of Object.entries(arms(sparsity))) await arm(`${name} ${sparsity}`, pruning)
}

/** Mean, and the least and largest of the seeds. */
function spread({ losses: values, ...rest }) {
  const round = (value) => Number(value.toPrecision(5))
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    mean: round(mean),
    least: round(Math.min(...values)),
    largest: round(Math.max(...values)),
    ...rest,
  }
}

console.log(
  JSON.stringify(
    {
      ...machine(),
      base_loss: start.report.eval_loss,
      base_loss_before: start.report.eval_loss_before,
      parameters: start.report.plan.parameters,
      steps,
      seeds,
      arms: Object.fromEntries(Object.entries(losses).map(([name, one]) => [name, spread(one)])),
    },
    null,
    2,
  ),
)
