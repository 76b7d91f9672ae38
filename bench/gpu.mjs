// One GPU, from its limits to whole trainings: node bench/gpu.mjs [--parts ...] [--sizes ...] [--peers ...] [--no-build]
//   tests     the native tests that need a GPU, and the harness of the fused ops
//   limits    what the card can do: bfloat16 products of 8192 x 8192, and a copy on the device
//   kernels   each fused op beside its plain composition and beside a copy of the bytes that it has to move
//   train     Llamas of 125 M, 350 M and 1 B parameters in bfloat16, rows of 2048 tokens: ours, and the peers
//   decode    one row of tokens one by one: ours, and the peers, against the card's bandwidth
//   graft     a chat vector on three models of a size, which runs on the CPU and the disk
// Peers run in --python (python3) with torch and transformers: eager, autocast, compile (gpu_peer.py says what they are).
// Prints a table a part, writes gpu.json and gpu.log into --out (build/). --device cpu rehearses it on a machine without a GPU, say
// with --sizes tiny --tokens 256 --length 128 --steps 2 --new-tokens 4.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from '../scripts/steps.mjs'
import { checkDevice, chooseAddon, libraryPath, nativeTests, seesGpu } from './gpu/card.mjs'
import { Children } from './gpu/children.mjs'
import { SIZES, writeSize } from './gpu/models.mjs'
import { table } from './gpu/table.mjs'
import { machine } from './statistics.mjs'

const PARTS = ['tests', 'limits', 'kernels', 'train', 'decode', 'graft']
const text = (value) => ({ type: 'string', default: value })
const { values } = parseArgs({
  options: {
    parts: text(PARTS.join()),
    sizes: text('125m,350m,1b'),
    peers: text('eager,compile'),
    graph: text('off,auto'), // of our training: passes one by one, or recorded and replayed
    documents: text('whole'), // of a row: whole, packed
    tokens: text('16384'), // of an update
    length: text('2048'), // of a row
    steps: text('10'),
    'new-tokens': text('256'),
    device: text('cuda:0'),
    python: text('python3'),
    seconds: text('300'), // after so many, a program is ended, and what it had said counts
    out: text(join(root, 'build')),
    folder: { type: 'string' }, // of the models: kept, and found by the next run
    'no-build': { type: 'boolean', default: false },
  },
})
const { device } = values
const list = (words) => words.split(',').filter(Boolean)
const children = new Children(join(values.out, 'gpu.log'), Number(values.seconds))
const models = values.folder ?? mkdtempSync(join(tmpdir(), 'tongueforge-gpu-'))
const rows = []

const settings = JSON.stringify({
  device,
  steps: Number(values.steps),
  new_tokens: Number(values['new-tokens']),
})
const ours = (...args) =>
  children.run('ours', process.execPath, [join(root, 'bench/gpu/ours.mjs'), ...args, settings])
const peer = (who, ...args) =>
  children.run(who, values.python, [join(root, 'bench/gpu_peer.py'), ...args, settings])
const tests = (...args) =>
  children.run('native tests', nativeTests(device), args, { LD_LIBRARY_PATH: libraryPath() })

/** Each part gives rows: {who, size?, ...figures} or {who, error}. */
const RUN = {
  tests: () => tests('-tc=*cuda*,*CUDA*,*GPU*,*fused op*'),
  limits: () => peer('torch', 'limits'),
  kernels: () => tests('--bench-ops', 'all', ...(device === 'cpu' ? [] : ['cuda'])),
  train: () => ofSizes((folder) => ofDocuments((documents) => trained(folder, documents))),
  decode: () => ofSizes(decoded),
  graft: () => ofSizes((folder) => ours('graft', folder)),
}

async function ofSizes(measure) {
  const found = []
  for (const size of list(values.sizes)) {
    const folder = join(models, size)
    await writeSize(folder, size, { tokens: Number(values.tokens), length: Number(values.length) })
    for (const row of await measure(folder)) found.push({ size, ...row })
  }
  return found
}

async function ofDocuments(measure) {
  const found = []
  for (const documents of list(values.documents))
    for (const row of await measure(documents)) found.push({ documents, ...row })
  return found
}

async function trained(folder, documents) {
  const found = []
  for (const graph of list(values.graph))
    for (const row of await ours('train', folder, documents, graph)) found.push({ graph, ...row })
  for (const mode of list(values.peers)) found.push(...(await peer(mode, 'train', mode, folder, documents)))
  return found
}

async function decoded(folder) {
  const found = await ours('decode', folder)
  for (const mode of list(values.peers))
    if (mode !== 'autocast') found.push(...(await peer(mode, 'decode', mode, folder)))
  return found
}

function refuse(message) {
  console.error(`bench/gpu.mjs: ${message}`)
  process.exit(1)
}

function checkValues() {
  const known = { parts: PARTS, sizes: Object.keys(SIZES), peers: ['eager', 'autocast', 'compile'] }
  for (const [name, words] of Object.entries(known)) {
    const unknown = list(values[name]).find((word) => !words.includes(word))
    if (unknown) refuse(`--${name}: expected ${words.join(', ')}, received ${unknown}`)
  }
}

async function build() {
  const [built] = await children.run('build', process.execPath, [join(root, 'scripts/build.mjs'), '--cuda'])
  if (built.error) refuse(`the build failed (${built.error}); ${children.log} has all it said`)
}

function check() {
  try {
    checkDevice(device)
  } catch (error) {
    refuse(`no ${device} here: ${error.message}`)
  }
}

checkValues()
if (device !== 'cpu' && !seesGpu()) refuse(`no ${device} here: this machine shows no NVIDIA GPU`)
if (device !== 'cpu' && !values['no-build']) await build()
chooseAddon(device)
check()
for (const part of PARTS.filter((name) => list(values.parts).includes(name))) {
  for (const row of await RUN[part]()) rows.push({ part, ...row })
  const report = { settings: values, rows, ...machine() }
  writeFileSync(join(values.out, 'gpu.json'), `${JSON.stringify(report, null, 2)}\n`) // all so far, should it be cut short
  process.stdout.write(table(part, rows))
}
if (!values.folder) rmSync(models, { recursive: true })
if (rows.some((row) => row.error)) process.exitCode = 1
