// What `merge` foretells of its memory, against what a process of its own takes for it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { writeTokenizer } from '#lib/world/tokenizer'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf } from '../helpers/stress.mjs'
import { INIT, tinyConfig } from '../helpers/tiny_model.mjs'

const [ROWS, WIDTH] = [65_536, 128] // of the largest tensor: 32 MiB of float32
const root = temporaryFolder()

async function model(name, seed, { width = WIDTH, rows = ROWS, layers = 1 } = {}) {
  const folder = join(root, name)
  const config = { ...tinyConfig({ width, layers, tied: true }), vocab_size: rows }
  mkdirSync(folder)
  await writeTokenizer(folder, { endOfTurn: false })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  const made = await runJob('initialiseModel', {
    spec: decoderSpec(config),
    init: { ...INIT, seed },
    threads: 1,
  })
  await runJob('saveModel', { model: made, folder, dtype: 'float32', max_shard_bytes: 1e9 })
  native().dispose(made)
  return folder
}

/** Merges once as a dry run, then for good; by how much the process grows meanwhile. */
const MERGER = `
  import { readFileSync, writeFileSync } from 'node:fs'
  import { merge } from 'tongueforge'
  const [config, out, threads] = process.argv.slice(1)
  const kilobytes = (key) => Number(new RegExp(key + ':\\\\s*([0-9]+)').exec(readFileSync('/proc/self/status', 'utf8'))[1])
  const options = { out, threads: Number(threads) }
  const { peak_memory_bytes } = await merge(JSON.parse(config), { ...options, dryRun: true })
  const before = kilobytes('VmRSS')
  writeFileSync('/proc/self/clear_refs', '5')
  await merge(JSON.parse(config), options)
  console.log(JSON.stringify({ peak_memory_bytes, grown: 1024 * (kilobytes('VmHWM') - before) }))`

const models = [await model('a', 1), await model('b', 2), await model('c', 3)]
// Tensors that several threads have at once: 1 to 4 MiB.
const MANY = { width: 512, rows: 512, layers: 6 }
const ofMany = [
  await model('many a', 1, MANY),
  await model('many b', 2, MANY),
  await model('many c', 3, MANY),
]
const METHODS = {
  ties: { density: 0.5 },
  dare_ties: { density: 0.5 },
  della: { density: 0.5 },
  task_arithmetic: {},
}
const SLACK = 24 * 2 ** 20 // chunks that wait to be written, Node's own heap
const skip = process.platform !== 'linux' && 'needs /proc'

const CASES = [
  ...Object.keys(METHODS).map((merge_method) => ({ merge_method, of: models, threads: 1 })),
  ...[0, 8].map((threads) => ({ merge_method: 'ties', of: ofMany, threads })),
]

for (const [i, { merge_method, of, threads }] of CASES.entries()) {
  const [base_model, ...others] = of
  const what = `${merge_method} of ${of === models ? 'one' : 'many'}, threads: ${threads},`
  test(`${what} takes no more memory than it foretells`, { skip }, async (t) => {
    const parameters = { weight: 0.5, ...METHODS[merge_method] }
    const config = { merge_method, base_model, models: others.map((one) => ({ model: one })), parameters }
    const given = [JSON.stringify(config), join(root, `merged ${i}`), String(threads)]
    const child = spawn(process.execPath, ['--input-type=module', '-e', MERGER, ...given], {
      cwd: clone,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { code, out, err } = await endOf(child, merge_method)
    assert.equal(code, 0, err)
    const { peak_memory_bytes, grown } = JSON.parse(out)
    t.diagnostic(
      `foretold ${Math.round(peak_memory_bytes / 2 ** 20)} MiB, grown by ${Math.round(grown / 2 ** 20)}`,
    )
    assert.ok(grown <= peak_memory_bytes + SLACK, `grown by ${grown}, foretold ${peak_memory_bytes}`)
  })
}
