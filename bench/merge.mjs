// A chat vector on three checkpoints against mergekit and against the disk: node bench/merge.mjs [--pairs 3] [--layers 16]
// [--cold] [--folder DIR] [--only limit,ours,again,mergekit]. `again` knows the hashes of the inputs from an earlier run. The models (1.1 billion parameters in bfloat16 at 16 layers, 2.2 GB
// each) are generated once into the folder and deleted at the end unless it was named. `limit` reads the three inputs and
// writes one of them with fsync, nothing else. --cold empties the page cache before each run (needs root). mergekit runs in
// the environment of `npm run test:mergekit`, or name its program in TONGUEFORGE_MERGEKIT. Read merge.md for the results.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeLlama } from './merge_models.mjs'
import { machine, summary } from './statistics.mjs'

const bench = dirname(fileURLToPath(import.meta.url))
const mergekit = process.env.TONGUEFORGE_MERGEKIT ?? join(bench, '../build/mergekit-env/bin/mergekit-yaml')
const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '3' },
    layers: { type: 'string', default: '16' },
    cold: { type: 'boolean', default: false },
    folder: { type: 'string' },
    only: { type: 'string', default: 'limit,ours,again,mergekit' },
  },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'tongueforge-bench-'))
const place = (name) => join(folder, name)
const out = place('out')
const hashes = place('hashes')

const graft = [
  process.execPath,
  [
    join(bench, '../dist/cli/main.js'),
    'graft',
    ...['target', 'base', 'chat'].flatMap((role) => [`--${role}`, place(role)]),
    ...['--scale', '0.8', '--out', out, '--quiet', '--json'],
  ],
]

/** Commands that make `out` of the three models, by who does it. */
const SIDES = {
  limit: [process.execPath, [join(bench, 'merge_limit.mjs'), out, ...['target', 'base', 'chat'].map(place)]],
  ours: graft,
  again: graft,
  // Its recipe for two bases: chat and target as differences from base, in float32, rounded once.
  mergekit: [mergekit, [place('merge.yaml'), out, '--quiet']],
}

const RECIPE = `merge_method: task_arithmetic
base_model: ${place('base')}
models:
  - { model: ${place('target')}, parameters: { weight: 1.0 } }
  - { model: ${place('chat')}, parameters: { weight: 0.8 } }
dtype: float32
out_dtype: bfloat16
`

async function main() {
  mkdirSync(folder, { recursive: true })
  for (const [i, role] of ['target', 'base', 'chat'].entries())
    if (!existsSync(join(place(role), 'model.safetensors')))
      writeLlama(place(role), { seed: i + 1, layers: Number(values.layers) })
  writeFileSync(place('merge.yaml'), RECIPE)
  const names = values.only.split(',')
  const runs = Object.fromEntries(names.map((name) => [name, []]))
  for (let pair = 0; pair < Number(values.pairs); pair++)
    for (const name of names) runs[name].push(await measure(name))
  report(runs)
}

/** Seconds and peak memory of a command; what was dirty before is on the disk, and its result is deleted. */
async function measure(name) {
  const [command, args] = SIDES[name]
  await run('sync', [])
  rmSync(out, { recursive: true, force: true })
  if (name === 'ours') rmSync(hashes, { recursive: true, force: true })
  if (values.cold) {
    writeFileSync('/proc/sys/vm/drop_caches', '3')
  } else
    for (const role of ['target', 'base', 'chat']) await run('cat', [join(place(role), 'model.safetensors')])
  const start = performance.now()
  const peak_bytes = await run(command, args)
  const seconds = (performance.now() - start) / 1000
  const begin = performance.now()
  await run('sync', [])
  return { seconds, seconds_with_sync: seconds + (performance.now() - begin) / 1000, peak_bytes }
}

/** Runs a command to a good end and watches its memory. */
function run(command, args) {
  return new Promise((done, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, TONGUEFORGE_DATA_CACHE: hashes },
    })
    let [err, peak] = ['', 0]
    child.stderr.on('data', (text) => {
      err += text
    })
    const watch = setInterval(() => {
      peak = Math.max(peak, peakOf(child.pid))
    }, 20)
    child.on('error', reject).on('close', (code) => {
      clearInterval(watch)
      if (code === 0) done(peak)
      else reject(new Error(`${command} ${args.join(' ')} ended with ${code}:\n${err.slice(-2000)}`))
    })
  })
}

function peakOf(pid) {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes ?? 0) * 1024
  } catch {
    return 0 // it has ended
  }
}

function report(runs) {
  const of = (name, key) => summary(runs[name].map((one) => one[key]))
  const sides = Object.keys(runs).map((name) => [
    name,
    {
      seconds: of(name, 'seconds'),
      seconds_with_sync: of(name, 'seconds_with_sync'),
      peak_mib: Math.round(of(name, 'peak_bytes').max / 2 ** 20),
    },
  ])
  const ratio = (a, b) => {
    if (!runs[a] || !runs[b]) return undefined
    const pairs = runs[a].map((one, i) => one.seconds / runs[b][i].seconds)
    return { of_minima: of(a, 'seconds').min / of(b, 'seconds').min, of_pairs: summary(pairs) }
  }
  const bytes = statSync(join(place('target'), 'model.safetensors')).size
  const result = {
    cache: values.cold ? 'cold' : 'warm',
    bytes_a_model: bytes,
    ...Object.fromEntries(sides),
    mergekit_over_ours: ratio('mergekit', 'ours'),
    mergekit_over_again: ratio('mergekit', 'again'),
    ours_over_limit: ratio('ours', 'limit'),
    again_over_limit: ratio('again', 'limit'),
    machine: machine(),
  }
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
}

try {
  await main()
} finally {
  rmSync(out, { recursive: true, force: true })
  if (!values.folder) rmSync(folder, { recursive: true })
}
