// "Compressing Transformer-based self-supervised models for speech" (arXiv 2211.09949) in miniature: spoken digits of four
// speakers, k-means on log-mel, a MelHuBERT of 480 064 parameters, and its techniques at four or five rates:
//   node bench/papers/speech/run.mjs DATA [--seeds 0,1,2] [--out FOLDER] [--steps 2000] [--speeds 0.9,1,1.1]
//     [--parts landscape,heads] [key.path=value ...]
// DATA has manifest.csv with the columns file, speaker and index; takes 0 to 17 are learnt from, the others are held out. A line
// of JSON each: the clusters, the model, every point of landscape.yaml beside this file. Overrides are of that. Stopped, the
// same command goes on. Targets have seed 0 in every run. What is learnt from is heard at each of --speeds (1 is as it is).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { clusters, landscape } from 'tongueforge'
import { applyOverrides, readYaml } from '#lib/config/parse'
import { train } from '#lib/verbs/train'
import { findings } from './heads.mjs'
import { atSpeed } from './speeds.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    out: { type: 'string', default: join(tmpdir(), 'tongueforge-papers', 'speech') },
    steps: { type: 'string', default: '2000' },
    speeds: { type: 'string', default: '0.9,1,1.1' },
    threads: { type: 'string', default: '2' },
    parts: { type: 'string', default: 'landscape,heads' },
  },
  allowPositionals: true,
})
const [data, ...changes] = positionals
if (data === undefined) throw new Error('expected the folder of the spoken digits')
const out = resolve(values.out)
const threads = Number(values.threads)
const LEARNT_TAKES = 18
const FEW_TAKES = [
  [0, 1],
  [2, 3],
  [4, 5],
] // that a probe learns from, 80 files each
const what = values.parts.split(',')
const speeds = values.speeds.split(',').map(Number)
const FRONT_END = { sampling_rate: 8000, num_mel_bins: 40, stacked_frames: 2 }
const MODEL = {
  model_type: 'melhubert',
  ...{ feat_emb_dim: 80, num_cluster: 64, hidden_size: 96, intermediate_size: 384 },
  ...{ num_hidden_layers: 4, num_attention_heads: 8 },
  ...{ num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 8, conv_pos_weight_norm: false },
  initialization: { matrix_gain: 1 / Math.sqrt(3) }, // as torch draws linear layers
}
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const warn = (message) => process.stderr.write(`${message}\n`)

/** Manifests: takes that are learnt from, the same at other speeds, and those that are held out. */
async function splitTakes() {
  const [head, ...lines] = readFileSync(join(data, 'manifest.csv'), 'utf8').trim().split('\n')
  const columns = head.split(',')
  const takes = lines.map((line) => Object.fromEntries(line.split(',').map((cell, i) => [columns[i], cell])))
  const learnt = takes.filter(({ index }) => Number(index) < LEARNT_TAKES)
  const moved = (take) => ({ ...take, file: relative(out, join(resolve(data), take.file)) })
  const write = (name, some) => {
    const file = join(out, `${name}.csv`)
    const rows = some.map((take) => columns.map((column) => take[column]).join(','))
    writeFileSync(file, `${[head, ...rows].join('\n')}\n`)
    return { path: file }
  }
  const faster = []
  for (const speed of speeds.filter((speed) => speed !== 1)) {
    const changed = await Promise.all(learnt.map((take) => atSpeed(speed, take, { from: data, to: out })))
    faster.push(write(`learnt-${speed}`, changed))
  }
  return {
    learnt: [write('learnt', learnt.map(moved)), ...faster],
    heldOut: [write('held_out', takes.filter((take) => !learnt.includes(take)).map(moved))],
  }
}

async function makeTargets({ learnt, heldOut }) {
  const targets = join(out, 'clusters')
  const config = {
    ...{ data: learnt.slice(0, 1), label_only: [...learnt.slice(1), ...heldOut], out: targets },
    ...{ front_end: FRONT_END, k_means: { clusters: 64 }, seed: 0, threads },
  }
  if (existsSync(targets)) return targets
  tell({ clusters: await clusters(config, { resume: true, onWarning: warn }) })
  return targets
}

async function preTrain(seed, targets, { learnt, heldOut }) {
  const folder = join(out, `seed-${seed}`, 'base')
  if (existsSync(join(folder, 'report.json'))) return join(folder, 'model')
  const config = {
    objective: 'masked',
    ...{
      init: MODEL,
      out: folder,
      data: learnt,
      eval: { every: 250, data: heldOut },
    },
    ...{ sound: { targets, join: 'speaker' }, sequence_length: 100, batch_size: 8, dropout: 0.1, clip: 10 },
    steps: Number(values.steps),
    optimizer: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    schedule: { kind: 'linear', warmup: 100, min_lr: 1e-4 },
    ...{ threads, seed },
  }
  const run = train(config, { resume: true, onWarning: warn })
  const { model, report } = await run.result
  const { loss, eval_loss, seconds } = report
  tell({ seed, point: 'base', loss, held_out: eval_loss, parameters: report.plan.parameters, seconds })
  return model
}

async function landscapeConfig(seed, model, targets, { learnt, heldOut }) {
  const given = await readYaml(join(here, 'landscape.yaml'))
  return {
    ...given,
    ...{
      model,
      sound: { targets, join: 'speaker' },
      out: join(out, `seed-${seed}`, 'landscape'),
      seed,
      threads,
    },
    calibration: { ...given.calibration, data: learnt },
    recovery: { ...given.recovery, data: learnt },
    evaluate: { ...given.evaluate, data: heldOut },
    probe: {
      ...{ folds: FEW_TAKES.map((index) => [{ ...learnt[0], where: { index } }]), test: heldOut },
      probes: given.probe.probes.map((probe) =>
        probe.kind === 'sequence' ? { ...probe, lexicon: join(here, probe.lexicon) } : probe,
      ),
    },
  }
}

async function compressAll(config) {
  const run = landscape(applyOverrides(config, changes), { resume: true, onWarning: warn })
  for await (const point of run) tell({ seed: config.seed, ...figuresOf(point) })
  await run.result
}

async function lookAtHeads(config, { heldOut }) {
  const { num_hidden_layers: layers, num_attention_heads: heads } = MODEL
  const folder = { ...config, out: join(out, `seed-${config.seed}`) }
  for await (const line of findings(folder, { heldOut, layers, heads, warn }))
    tell({ seed: config.seed, ...line })
}

// RTF: seconds of a pass over the seconds of sound that its places are.
function figuresOf({ point, error, loss, parameters, macs, bytes, speed, probes }) {
  if (error) return { point, error }
  const seconds = macs.tokens * 0.02
  return {
    ...{ point, held_out: loss, parameters, bytes, macs },
    rtf: speed.prefill_seconds.min / seconds,
    rtf_relative: speed.prefill_relative,
    probes: Object.fromEntries(probes?.map(({ name, test }) => [name, wrong(test)]) ?? []),
    probes_nll: Object.fromEntries(probes?.map(({ name, test }) => [name, test.nll]) ?? []),
  }
}

/** Percent: of utterances, or edits of a hundred phones. */
const wrong = ({ accuracy, error_rate }) => 100 * (error_rate ?? 1 - accuracy)

mkdirSync(out, { recursive: true })
const manifests = await splitTakes()
const targets = await makeTargets(manifests)
for (const seed of values.seeds.split(',').map(Number)) {
  const model = await preTrain(seed, targets, manifests)
  const config = await landscapeConfig(seed, model, targets, manifests)
  if (what.includes('landscape')) await compressAll(config)
  if (what.includes('heads')) await lookAtHeads(config, manifests)
}
