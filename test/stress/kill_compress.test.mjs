// Compression through the command, ended by force at any instant: --resume goes on to the very bytes of an undisturbed
// run, and no model folder is ever half written.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from 'tongueforge'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { lastingFiles, tinyCompression } from '../helpers/tiny_compression.mjs'

const home = temporaryFolder()
const draw = random(seed)

const STAGES = [
  { method: 'rows', keep: 64 },
  { method: 'recover', steps: 4 },
  { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
]
const run = join(home, 'run')
const configFile = join(home, 'config.yaml')
const config = await tinyCompression(join(home, 'inputs'))
writeFileSync(configFile, JSON.stringify({ ...config, out: run, stages: STAGES })) // JSON is YAML too

/** Starts `tongueforge compress CONFIG ...args`; resolves at its end with {code, signal, out, err}. */
function start(...args) {
  const command = [join(clone, 'dist/cli/main.js'), 'compress', configFile, '--json', ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'compression') }
}

const begun = performance.now()
const undisturbed = await start().ended
assert.equal(undisturbed.code, 0, undisturbed.err)
const time = performance.now() - begun
const expected = lastingFiles(join(run, 'model'))
rmSync(run, { recursive: true })

/** Every folder with a final name is whole. */
async function checkWhole() {
  const stages = join(run, 'stages')
  const names = existsSync(stages) ? readdirSync(stages).filter((name) => !name.startsWith('.')) : []
  const places = [
    join(run, 'model'),
    ...names.flatMap((name) => [join(stages, name), join(stages, name, 'model')]),
  ]
  for (const place of places)
    if (existsSync(join(place, 'config.json'))) await (await loadModel(place)).dispose()
}

test('kill -9 at any instant, also of a resumed run', async (t) => {
  const count = rounds({ quick: 2, full: 30 })
  let [kills, resumed] = [0, 0]
  for (let i = 0; i < count; i++) {
    // Once over the whole run, the instants spread evenly; then twice more as it goes on.
    for (const share of [(i + draw()) / count, draw(), draw()]) {
      const { child, ended } = start('--resume')
      await Promise.race([sleep(share * time), ended])
      child.kill('SIGKILL')
      if ((await ended).signal === 'SIGKILL') kills++
      await checkWhole()
    }
    const { code, out, err } = await start('--resume').ended
    assert.equal(code, 0, err)
    assert.deepEqual(lastingFiles(join(run, 'model')), expected)
    const told = JSON.parse(out).report
    assert.equal(told.stages.length, STAGES.length + 1)
    if (told.resumed_after) resumed++
    const hidden = readdirSync(run, { recursive: true }).filter((path) => /(^|\/)\./.test(path))
    assert.deepEqual(hidden, [])
    rmSync(run, { recursive: true })
  }
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a stage`)
})
