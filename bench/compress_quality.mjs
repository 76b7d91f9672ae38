// What compression costs in quality: held-out perplexity of a model that was trained for it.
//   node bench/compress_quality.mjs [--base stories | english] [--out runs/compress_quality_BASE] [--steps N]
//     [--seeds 1,2,3] [--mending 60] [--threads 1] [--parts criteria,recovery,distillation]
//   stories       stories260K twice as deep, after it has read Shakespeare
//   english       a Llama of 1.8 M parameters, from random weights on English texts
// Texts and model are those of TONGUEFORGE_DATA, or ../shared/data. Stopped, the same command goes on.
//   criteria      weights zeroed at once by magnitude, Wanda and SparseGPT; the spread is over calibration rows
//   recovery      70 % zeroed and `mending` updates: before all of them, or a part before each quarter of them
//   distillation  every other block, `mending` updates on the tokens, on what the whole model says, on both
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compress, landscape } from 'tongueforge'
import { train } from '#lib/verbs/train'
import * as english from './compress_quality_english.mjs'
import * as stories from './compress_quality_stories.mjs'
import { machine } from './statistics.mjs'

const { values: given } = parseArgs({
  options: {
    base: { type: 'string', default: 'stories' },
    out: { type: 'string' },
    steps: { type: 'string' },
    seeds: { type: 'string', default: '1,2,3' },
    mending: { type: 'string', default: '60' },
    threads: { type: 'string', default: '1' },
    parts: { type: 'string', default: 'criteria,recovery,distillation' },
  },
})
const { absent, trainBase, writeTexts, ROWS, STEPS } = { stories, english }[given.base]
const out = given.out ?? `runs/compress_quality_${given.base}`
const seeds = given.seeds.split(',').map(Number)
const [steps, mending, threads] = [given.steps ?? STEPS, given.mending, given.threads].map(Number)
const QUARTERS = 4
const SPARSITY = 0.7

if (absent().length > 0) {
  console.error(`left out: no ${absent().join(', no ')} (TONGUEFORGE_DATA, or ../shared/data)`)
  process.exit(0)
}
const texts = writeTexts(out)
const onProgress = ({ step, loss }) => step % 50 === 0 && console.error(`step ${step}: loss ${loss}`)
const base = await trainBase({ folder: out, ...texts, steps, threads, onProgress })
const { data } = texts
const heldOut = { data: texts.heldOut }
const perplexityOf = (loss) => Number(Math.exp(loss).toPrecision(4))

/** { original, 'wanda-0.5': [of each seed], ... } */
async function criteria() {
  const found = {}
  for (const seed of seeds) {
    const { points } = await landscape(criteriaConfig(seed), { resume: true }).result
    for (const { point, loss } of points) {
      found[point] ??= []
      found[point].push(perplexityOf(loss))
    }
  }
  return found
}

function criteriaConfig(seed) {
  const technique = (name, keys) => [
    { name, rates: [0.5, 0.6, 0.7], stages: [{ method: 'prune', sparsity: '$rate', ...keys }] },
    { name, rates: ['2:4'], stages: [{ method: 'prune', pattern: '$rate', ...keys }] },
  ]
  const scoped = ['layer', 'row'].map((scope) => technique(`magnitude-${scope}`, { scope })[0])
  const withoutText = [...technique('magnitude', {}), ...scoped]
  return {
    model: base.model,
    out: join(out, `criteria-${seed}`),
    evaluate: { ...heldOut, ...ROWS },
    calibration: { data, samples: 128, ...ROWS, seed },
    measure: { tokens: 16, new_tokens: 2, warmup: 0, repeats: 1 },
    threads,
    techniques: [
      ...(seed === seeds[0] ? withoutText : []),
      ...technique('wanda', { criterion: 'wanda' }),
      ...technique('sparsegpt', { criterion: 'sparsegpt' }),
    ],
  }
}

const learning = (updates) => ({
  ...ROWS,
  data,
  steps: updates,
  optimizer: { lr: 1e-3, weight_decay: 0 },
  schedule: { kind: 'constant', warmup: 0 },
  checkpoint: { every: 0 },
})

/** Perplexities in order: whole, pruned, mended, of each part. */
async function recovery(name, criterion, parts) {
  const stage = { method: 'prune', criterion, sparsity: SPARSITY, steps: parts, recover: {} }
  const { report } = await compress(
    {
      model: base.model,
      out: join(out, name),
      calibration: { data, samples: 128, ...ROWS },
      evaluate: { ...heldOut, ...ROWS },
      recovery: learning(mending / parts),
      stages: [stage],
      threads,
    },
    { resume: true },
  ).result
  return report.stages.map(({ loss }) => perplexityOf(loss))
}

/** Perplexities of the student: as it is cut, and after each quarter of the updates. */
async function distillation(name, alpha) {
  const every = mending / QUARTERS
  const run = train(
    {
      ...learning(mending),
      objective: 'distil',
      teacher: base.model,
      student: { every: 2 },
      out: join(out, name),
      distil: { alpha },
      eval: { every, data: heldOut.data },
      threads,
    },
    { overwrite: true },
  )
  const curve = []
  for await (const { eval_nll } of run) if (eval_nll !== undefined) curve.push(perplexityOf(eval_nll))
  return curve
}

const parts = {
  criteria,
  recovery: async () => ({
    'magnitude at once': await recovery('magnitude-once', 'magnitude', 1),
    'magnitude in quarters': await recovery('magnitude-quarters', 'magnitude', QUARTERS),
    'sparsegpt at once': await recovery('sparsegpt-once', 'sparsegpt', 1),
    'sparsegpt in quarters': await recovery('sparsegpt-quarters', 'sparsegpt', QUARTERS),
  }),
  distillation: async () => ({
    tokens: await distillation('distil-tokens', 0),
    both: await distillation('distil-both', 0.5),
    teacher: await distillation('distil-teacher', 1),
  }),
}
const found = {}
for (const name of given.parts.split(',')) found[name] = await parts[name]()
const { parameters } = base.report.plan
console.log(
  JSON.stringify(
    { ...machine(), base: given.base, parameters, steps, tokens: base.report.tokens, seeds, ...found },
    null,
    2,
  ),
)
