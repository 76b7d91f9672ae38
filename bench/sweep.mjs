// A sweep of k scales in memory against k grafts to files that are loaded and measured: the same models, rows and losses,
// which are compared bit by bit. node bench/sweep.mjs [--points 5] [--pairs 3] [--width 512] [--layers 8] [--threads 2]
// Seconds of a pair are taken in turns; `outside_measuring` leaves out what both sides spend on the losses themselves.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { graft, sweep } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { native, runJob } from '#lib/native'
import { loadModelText } from '#lib/text/model_text'
import { closeObjectives, openObjectives } from '#lib/verbs/sweep/losses'
import { openSweepModels, planSweep, readSweepConfig } from '#lib/verbs/sweep/plan'
import { tinySweep } from '../test/helpers/tiny_sweep.mjs'
import { machine, summary } from './statistics.mjs'

const { values: given } = parseArgs({
  options: {
    points: { type: 'string', default: '5' },
    pairs: { type: 'string', default: '3' },
    width: { type: 'string', default: '512' },
    layers: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
  },
})
const [points, pairs, width, layers, threads] = ['points', 'pairs', 'width', 'layers', 'threads'].map(
  (name) => Number(given[name]),
)
const root = mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
const signal = new AbortController().signal

/** Wall-clock and CPU seconds of this process. */
async function timed(work) {
  const [begin, cpu] = [performance.now(), process.cpuUsage()]
  const result = await work()
  const { user, system } = process.cpuUsage(cpu)
  return { result, seconds: (performance.now() - begin) / 1000, cpu_seconds: (user + system) / 1e6 }
}

async function inMemory(config, out) {
  const report = await sweep({ ...config, out }).result
  return report.points.map(({ values }) => values)
}

async function throughFiles(config, scales) {
  const { target, base, chat } = config
  const all = []
  let measuring = 0
  for (const scale of scales) {
    const { out } = await graft({ target, base, chat, scale, out: join(root, 'merged'), overwrite: true })
    const folder = await openModelFolder(out)
    const spec = decoderSpec(folder.config, folder.configFile)
    const model = await runJob('loadModel', { folder: out, spec, dtype: config.dtype, threads })
    const objectives = await openObjectives(config, await loadModelText(folder), { signal })
    const values = {}
    for (const { name, measure } of objectives) {
      const { result, seconds } = await timed(() => measure(model, { signal, onRows: () => {} }))
      values[name] = result
      measuring += seconds
    }
    all.push(values)
    await closeObjectives(objectives)
    native().dispose(model)
  }
  return { all, measuring }
}

try {
  const scales = Array.from({ length: points }, (_, i) => (1.2 * i) / Math.max(points - 1, 1))
  const raw = { ...(await tinySweep(join(root, 'inputs'), { width, layers })), scales, threads }
  const config = await readSweepConfig({ ...raw, out: root }, [])
  const { memory, objectives } = await planSweep(config, await openSweepModels(config), { signal })
  await closeObjectives(objectives)
  const runs = []
  for (let pair = 0; pair < pairs; pair++) {
    const ours = await timed(() => inMemory(raw, join(root, `run-${pair}`)))
    const files = await timed(() => throughFiles(config, scales))
    if (JSON.stringify(ours.result) !== JSON.stringify(files.result.all)) throw new Error('the losses differ')
    const { measuring } = files.result
    runs.push({ ours, files, measuring })
  }
  const of = (side, key) => summary(runs.map((run) => run[side][key]))
  const result = {
    ...machine(),
    points,
    parameters: memory.delta_bytes / 4,
    memory_bytes: memory.memory_bytes,
    sweep: { seconds: of('ours', 'seconds'), cpu_seconds: of('ours', 'cpu_seconds') },
    grafts: { seconds: of('files', 'seconds'), cpu_seconds: of('files', 'cpu_seconds') },
    measuring_seconds: summary(runs.map(({ measuring }) => measuring)),
    ratio: summary(runs.map(({ ours, files }) => files.seconds / ours.seconds)),
    cpu_ratio: summary(runs.map(({ ours, files }) => files.cpu_seconds / ours.cpu_seconds)),
    outside_measuring: summary(
      runs.map(({ ours, files, measuring }) => (files.seconds - measuring) / (ours.seconds - measuring)),
    ),
  }
  console.log(JSON.stringify(result, null, 2))
} finally {
  rmSync(root, { recursive: true, force: true })
}
