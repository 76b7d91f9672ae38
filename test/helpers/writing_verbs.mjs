// Every verb that writes, run small: a row is all that the tests of storage faults and of kills know of a verb, and a
// new verb is a row.
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import * as tongueforge from 'tongueforge'
import { train } from '#lib/verbs/train'
import { anomalousTraining } from './anomalous_training.mjs'
import { writeBpeModel } from './bpe_model.mjs'
import { byteLevelOn } from './bpe_tokenizers.mjs'
import { clone } from './cli.mjs'
import { reportRuns, writeRuns } from './report_runs.mjs'
import { glide, wav } from './sounds.mjs'
import { tinyAdaptation } from './tiny_adaptation.mjs'
import { tinyCompression } from './tiny_compression.mjs'
import { writeDescendant, writeTinyModel } from './tiny_model.mjs'
import { tinySweep } from './tiny_sweep.mjs'
import { writeTinyTasks } from './tiny_tasks.mjs'
import { tinyTraining } from './tiny_training.mjs'

/** Three models of a graft: `target`, `base` and `chat`, which descends from the base. */
async function threeModels(inputs) {
  const [target, base, chat] = ['target', 'base', 'chat'].map((name) => join(inputs, name))
  await writeTinyModel(base, { layers: 2 })
  await writeDescendant(base, chat, { seed: 2, size: 0.1 })
  await writeDescendant(base, target, { seed: 3, size: 0.2 })
  return { target, base, chat }
}

/** A training of few updates with several checkpoints; its caches lie beside the run, so that they are met too. */
async function smallTraining(inputs, more = {}) {
  const config = await tinyTraining(inputs, { steps: 6 })
  const changes = { batch_size: 2, accumulation: 1, schedule: { warmup: 1 }, eval: undefined }
  return { ...config, ...changes, checkpoint: { every: 2, keep: 2 }, sequence_length: 32, ...more }
}

function words(inputs) {
  const text = ['der Hund läuft schnell', 'die Katze schläft', 'das Haus ist groß']
  mkdirSync(inputs, { recursive: true })
  const file = join(inputs, 'new.txt')
  writeFileSync(file, Array.from({ length: 120 }, (_, i) => `${text[i % 3]} ${i % 7}`).join('\n\n'))
  return file
}

const linesOf = (file) => readFileSync(file, 'utf8').split('\n').slice(0, -1)
const reportOf = (out) => JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))

/** What a training has written of its updates, but for their times. */
const updatesOf = (out) =>
  linesOf(join(out, 'metrics.jsonl')).map((line) => {
    const { step, loss, grad_norm, eval_loss, rolled_back_from } = JSON.parse(line)
    return { step, loss, grad_norm, eval_loss, rolled_back_from }
  })

/** Files of samples that have not as many as their line in results.jsonl says. */
function samplesMissing(out) {
  const file = join(out, 'results.jsonl')
  const told = (existsSync(file) ? linesOf(file) : []).map((line) => JSON.parse(line))
  return told
    .map(({ model, task, documents }) => [join(out, 'samples', model, `samples_${task}.jsonl`), documents])
    .filter(([samples, documents]) => linesOf(samples).length !== documents)
    .map(([samples]) => samples)
}

/**
 * Rows. `prepare` writes what the verb reads and gives what it is told, as JSON has it; running_verbs.mjs runs it. `kind` says
 * what a fault must leave: a `folder` appears whole or not at all, and where it `resumes` takes that option; a `run`
 * keeps the parts that it has finished and goes on with `resume`; a `page` is a report. `tell(out)` is what is told at the end
 * beside the files, whatever came between; `torn(out)` are files that are not whole, at any time.
 */
export const VERBS = {
  train: {
    kind: 'run',
    prepare: (inputs) => smallTraining(inputs, { tensorboard: true }),
    tell: updatesOf,
  },
  'train with rollbacks': {
    kind: 'run',
    async prepare(inputs) {
      const anomaly = { non_finite: 'rollback', rollback: { back: 5 } }
      const size = { steps: 12, places: [40] }
      return { ...(await anomalousTraining(inputs, size)), batch_size: 2, sequence_length: 32, anomaly }
    },
    tell: (out) => ({ updates: updatesOf(out), anomalies: reportOf(out).anomalies }),
  },
  'train an adapter': {
    kind: 'run',
    async prepare(inputs) {
      const model = await writeTinyModel(join(inputs, 'model'))
      const { init: _, tokenizer: __, ...config } = await smallTraining(inputs, { model, lora: { rank: 2 } })
      return config
    },
  },
  graft: {
    kind: 'folder',
    resumes: true,
    prepare: threeModels,
  },
  merge: {
    kind: 'folder',
    resumes: true,
    prepare: threeModels,
  },
  'delta extract': {
    kind: 'folder',
    resumes: true,
    prepare: threeModels,
  },
  'delta apply': {
    kind: 'folder',
    resumes: true,
    async prepare(inputs) {
      const { target, base, chat } = await threeModels(inputs)
      const delta = join(inputs, 'delta')
      await tongueforge.extractDelta({ base, chat, format: 'lowrank', rank: 4, out: delta })
      return { target, delta }
    },
  },
  convert: {
    kind: 'folder',
    async prepare(inputs) {
      const file = join(inputs, 'given')
      cpSync(join(clone, 'test/golden/conversions/llama_tied/given'), file, { recursive: true })
      return { file }
    },
  },
  'adapter merge': {
    kind: 'folder',
    async prepare(inputs) {
      const model = await writeTinyModel(join(inputs, 'model'))
      const training = { model, lora: { rank: 2, merge: false }, out: join(inputs, 'run') }
      const { init: _, tokenizer: __, ...config } = await smallTraining(inputs, training)
      const { adapter } = await train(config).result
      return { model, adapter }
    },
  },
  'vocab train': {
    kind: 'folder',
    prepare: async (inputs) => ({ data: words(inputs), size: 300, threads: 1 }),
  },
  'vocab extend': {
    kind: 'folder',
    async prepare(inputs) {
      const data = words(inputs)
      const model = await writeBpeModel(
        join(inputs, 'model'),
        await byteLevelOn('the cat sat on the mat', 12),
      )
      return { model, data, tokens: 20, minCount: 2, threads: 1 }
    },
  },
  compress: {
    kind: 'run',
    async prepare(inputs) {
      const config = await tinyCompression(inputs)
      const stages = [
        { method: 'rows', keep: 64 },
        { method: 'recover', steps: 2 },
        { method: 'quantize', bits: 8, group: 32 },
      ]
      const { evaluate: _, ...given } = { ...config, stages }
      return given
    },
  },
  adapt: {
    kind: 'run',
    async prepare(inputs) {
      const config = await tinyAdaptation(inputs)
      config.training = { ...config.training, steps: 2, checkpoint: { every: 1 } }
      const calibration = { samples: 4, sequence_length: 48 }
      const compress = { calibration, stages: [{ method: 'rows', keep: 64 }] }
      return { ...config, arms: ['cp', 'cp_vector'], compress }
    },
    tell: (out) => reportOf(out).results,
  },
  evaluate: {
    kind: 'run',
    async prepare(inputs) {
      const models = [await writeTinyModel(join(inputs, 'model'))]
      const { tiny, tiny_pages } = writeTinyTasks(join(inputs, 'tasks'), { documents: 6 })
      return { models, tasks: [tiny, tiny_pages], num_fewshot: 1, threads: 1 }
    },
    tell: (out) => reportOf(out).results,
    torn: samplesMissing,
  },
  sweep: {
    kind: 'run',
    prepare: (inputs) => tinySweep(inputs, { documents: 4 }),
  },
  landscape: {
    kind: 'run',
    async prepare(inputs) {
      const given = await tinyCompression(inputs)
      const measure = { tokens: 8, new_tokens: 2, warmup: 0, repeats: 1, threads: 1 }
      const techniques = [{ name: 'rows', rates: [64], stages: [{ method: 'rows', keep: '$rate' }] }]
      return { ...given, measure, techniques }
    },
  },
  clusters: {
    kind: 'folder',
    resumes: true,
    async prepare(inputs) {
      mkdirSync(join(inputs, 'sounds'), { recursive: true })
      for (let i = 0; i < 4; i++) {
        const sound = glide({ seconds: 0.3, from: 300 * 2 ** (i % 3), to: 310 * 2 ** (i % 3) })
        writeFileSync(join(inputs, 'sounds', `${i}.wav`), wav(sound))
      }
      const k_means = { clusters: 4, batches: 4, batch_size: 20 }
      return { data: [{ path: join(inputs, 'sounds') }], k_means }
    },
  },
  report: {
    kind: 'page',
    async prepare(inputs) {
      const files = Object.entries(reportRuns()).filter(([path]) => /^(inscp|sweep)\//.test(path))
      return { runs: writeRuns(inputs, Object.fromEntries(files)) }
    },
  },
}

/** Of these the bytes tell when, how long, or how it came about. */
const TELLING = new RegExp(
  [
    String.raw`(^|/)\.(tmp|trash)-`,
    String.raw`(^|/)(report|provenance|manifest|state)\.json$`,
    String.raw`(^|/)(metrics|results|stages)\.jsonl$`,
    '^out/(tensorboard/|report(_files/|.html)|landscape.(html|csv|json))',
    '^out-cache/hashes/',
  ].join('|'),
)

const hashOf = (file) => createHash('sha256').update(readFileSync(file)).digest('hex')

/** SHA-256 by path of the files below a folder that are the same however a run has come to its end. */
export function lastingHashes(folder) {
  const hashes = {}
  if (!existsSync(folder)) return hashes
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const name = path.slice(folder.length + 1)
    if (!TELLING.test(name)) hashes[name] = hashOf(path)
  }
  return hashes
}

/** The files of a folder, and when they were last changed. */
export const stamps = (folder) =>
  readdirSync(folder, { recursive: true }).map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name))
    return `${name} ${size} ${mtimeMs}`
  })

/** What a next run might trip over: folders and files that are still being made, or deleted. */
export const strays = (folder) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true }).filter((path) => /\.new$|\.part$|(^|\/)\./.test(path))
    : []

const HELD = {
  page: ['out.html', 'out_files'],
  folder: ['out'],
  run: ['out/model', 'out/compressed', 'out/adapter'],
}

/** How to come to a whole result in the folder `work` from what is there. */
export function howToGoOn({ kind, resumes }, work, resume = true) {
  const there = (kind === 'page' ? HELD.page : ['out']).some((name) => existsSync(join(work, name)))
  if (kind === 'run') return existsSync(join(work, 'out/resolved.yaml')) ? { resume: true } : {}
  return { ...(there && { overwrite: true }), ...(resumes && resume && { resume: true }) }
}

/** What in the folder `work` has its final name and is not whole, in words; `expected` are the hashes of a whole result. */
export function notWhole({ kind, torn: tornOf = () => [] }, work, expected) {
  const found = lastingHashes(work)
  const below = (name, all) =>
    Object.entries(all).filter(([path]) => path === name || path.startsWith(`${name}/`))
  const torn = HELD[kind]
    .filter((name) => existsSync(join(work, name)))
    .filter((name) => !isDeepStrictEqual(below(name, found), below(name, expected)))
  const checkpoints = existsSync(work)
    ? readdirSync(work, { recursive: true }).filter(
        (path) => /(^|\/)step-\d+$/.test(path) && !/\/\./.test(path),
      )
    : []
  return [
    ...torn,
    ...tornOf(join(work, 'out')),
    ...checkpoints.flatMap((name) => tornFiles(join(work, name))),
  ]
}

/** Files of a checkpoint that are not what its manifest says. */
function tornFiles(checkpoint) {
  const manifest = join(checkpoint, 'manifest.json')
  if (!existsSync(manifest)) return [manifest]
  const { files } = JSON.parse(readFileSync(manifest, 'utf8'))
  const paths = files.map(({ name, sha256 }) => ({ path: join(checkpoint, name), sha256 }))
  return paths.filter(({ path, sha256 }) => hashOf(path) !== sha256).map(({ path }) => path)
}

/** Names whose content differs. */
export const differences = (found, expected) =>
  Object.keys({ ...found, ...expected }).filter((name) => found[name] !== expected[name])
