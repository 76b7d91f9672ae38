// "Compressing Transformer-based self-supervised models for speech" (arXiv 2211.09949) in miniature: spoken digits of four
// speakers, k-means on log-mel, a MelHuBERT of 480 064 parameters, and its techniques at four or five rates:
//   node bench/papers/speech/run.mjs DATA [--seeds 0,1,2] [--out FOLDER] [--steps 1000] [key.path=value ...]
// DATA has manifest.csv with the columns file, speaker and index; takes 0 to 17 are learnt from, the others are held out. A line
// of JSON each: the clusters, the model, every point of landscape.yaml beside this file. Overrides are of that. Stopped, the
// same command goes on. Targets have seed 0 in every run.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { clusters, landscape, train } from 'tongueforge'
import { applyOverrides, readYaml } from '#lib/config/parse'

const here = dirname(fileURLToPath(import.meta.url))
const { values, positionals } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0,1,2' },
    out: { type: 'string', default: join(tmpdir(), 'tongueforge-papers', 'speech') },
    steps: { type: 'string', default: '1000' },
    threads: { type: 'string', default: '2' },
  },
  allowPositionals: true,
})
const [data, ...changes] = positionals
if (data === undefined) throw new Error('expected the folder of the spoken digits')
const out = resolve(values.out)
const threads = Number(values.threads)
const LEARNT_TAKES = 18
const FRONT_END = { sampling_rate: 8000, num_mel_bins: 40, stacked_frames: 2 }
const MODEL = {
  model_type: 'melhubert',
  ...{ feat_emb_dim: 80, num_cluster: 64, hidden_size: 96, intermediate_size: 384 },
  ...{ num_hidden_layers: 4, num_attention_heads: 8 },
  ...{ num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 8, conv_pos_weight_norm: false },
}
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)
const warn = (message) => process.stderr.write(`${message}\n`)

/** Two manifests, by take. */
function splitTakes() {
  const [head, ...rows] = readFileSync(join(data, 'manifest.csv'), 'utf8').trim().split('\n')
  const columns = head.split(',')
  const take = columns.indexOf('index')
  const moved = (row) => {
    const [file, ...rest] = row.split(',')
    return [relative(out, join(resolve(data), file)), ...rest].join(',')
  }
  const write = (name, some) => {
    const file = join(out, `${name}.csv`)
    writeFileSync(file, `${[head, ...some.map(moved)].join('\n')}\n`)
    return file
  }
  const isLearnt = (row) => Number(row.split(',')[take]) < LEARNT_TAKES
  return {
    learnt: write(
      'learnt',
      rows.filter((row) => isLearnt(row)),
    ),
    heldOut: write(
      'held_out',
      rows.filter((row) => !isLearnt(row)),
    ),
  }
}

async function makeTargets({ learnt, heldOut }) {
  const targets = join(out, 'clusters')
  const config = {
    ...{ data: [{ path: learnt }], label_only: [{ path: heldOut }], out: targets },
    ...{ front_end: FRONT_END, k_means: { clusters: 64 }, seed: 0, threads },
  }
  if (existsSync(targets)) return targets
  tell({ clusters: await clusters(config, { resume: true, onWarning: warn }) })
  return targets
}

async function preTrain(seed, targets, { learnt, heldOut }) {
  const folder = join(out, `seed-${seed}`, 'base')
  const config = {
    objective: 'masked',
    ...{
      init: MODEL,
      out: folder,
      data: [{ path: learnt }],
      eval: { every: 250, data: [{ path: heldOut }] },
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

async function compressAll(seed, model, targets, { learnt, heldOut }) {
  const given = await readYaml(join(here, 'landscape.yaml'))
  const sound = { targets, join: 'speaker' }
  const config = {
    ...given,
    ...{ model, sound, out: join(out, `seed-${seed}`, 'landscape'), seed, threads },
    calibration: { ...given.calibration, data: [{ path: learnt }] },
    recovery: { ...given.recovery, data: [{ path: learnt }] },
    evaluate: { ...given.evaluate, data: [{ path: heldOut }] },
  }
  const run = landscape(applyOverrides(config, changes), { resume: true, onWarning: warn })
  for await (const point of run) tell({ seed, ...figuresOf(point) })
  await run.result
}

// RTF: seconds of a pass over the seconds of sound that its places are.
function figuresOf({ point, error, loss, parameters, macs, bytes, speed }) {
  if (error) return { point, error }
  const seconds = macs.tokens * 0.02
  return {
    ...{ point, held_out: loss, parameters, bytes, macs },
    rtf: speed.prefill_seconds.min / seconds,
    rtf_relative: speed.prefill_relative,
  }
}

mkdirSync(out, { recursive: true })
const manifests = splitTakes()
const targets = await makeTargets(manifests)
for (const seed of values.seeds.split(',').map(Number)) {
  const model = await preTrain(seed, targets, manifests)
  await compressAll(seed, model, targets, manifests)
}
