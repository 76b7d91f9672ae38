// An adaptation through the command, ended by force at any instant: --resume goes on to the very bytes of an undisturbed
// run, and no model folder is ever half written.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { adapt, loadModel } from 'tongueforge'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'
import { lastingFiles } from '../helpers/tiny_compression.mjs'

const home = temporaryFolder()
const draw = random(seed)

const run = join(home, 'run')
const configFile = join(home, 'config.yaml')
const given = await tinyAdaptation(join(home, 'inputs'))
const compress = { calibration: { samples: 8, sequence_length: 48 }, stages: [{ method: 'rows', keep: 64 }] }
const arms = ['inscp', 'cp_vector', 'cp_sft_dpo']
const config = { ...given, out: run, arms, compress }
writeFileSync(configFile, JSON.stringify(config)) // JSON is YAML too

/** Starts `tongueforge adapt CONFIG ...args`; resolves at its end with {code, signal, out, err}. */
function start(...args) {
  const command = [join(clone, 'dist/cli/main.js'), 'adapt', configFile, '--json', ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'adaptation') }
}

const results = () => ['model', 'compressed'].map((name) => lastingFiles(join(run, name)))

const begun = performance.now()
const undisturbed = await start().ended
assert.equal(undisturbed.code, 0, undisturbed.err)
const time = performance.now() - begun
const expected = { files: results(), rows: JSON.parse(undisturbed.out).results }
rmSync(run, { recursive: true })

/** Every folder with a final name is whole. */
async function checkWhole() {
  const stages = join(run, 'stages')
  const names = existsSync(stages) ? readdirSync(stages).filter((name) => !name.startsWith('.')) : []
  const places = [
    ...['model', 'compressed'].map((name) => join(run, name)),
    ...names.flatMap((name) => [join(stages, name), join(stages, name, 'model')]),
  ]
  for (const place of places)
    if (existsSync(join(place, 'config.json'))) await (await loadModel(place)).dispose()
}

test('kill -9 at any instant, also of a resumed run', async (t) => {
  const count = rounds({ quick: 1, full: 30 })
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
    assert.deepEqual(results(), expected.files)
    const told = JSON.parse(out)
    assert.deepEqual(told.results, expected.rows)
    if (told.done < told.stages.length) resumed++
    const hidden = readdirSync(run, { recursive: true }).filter((path) => /(^|\/)\.|\.new$/.test(path))
    assert.deepEqual(hidden, [])
    rmSync(run, { recursive: true })
  }
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a stage`)
})

test('stopped at any event, it goes on to the same bytes', async (t) => {
  let all = 0
  for await (const _ of adapt(config)) all++
  rmSync(run, { recursive: true })
  const stops = rounds({ quick: 2, full: all - 1 })
  for (let i = 0; i < stops; i++) {
    const at = Math.round(1 + (i * (all - 2)) / Math.max(1, stops - 1))
    const abort = new AbortController()
    const reason = new Error(`event ${at}`)
    let events = 0
    await assert.rejects(async () => {
      for await (const _ of adapt(config, { signal: abort.signal })) if (++events === at) abort.abort(reason)
    }, reason)
    await adapt(config, { resume: true }).result
    assert.deepEqual(results(), expected.files, `event ${at}`)
    rmSync(run, { recursive: true })
  }
  report(t, `${stops} stops at ${all} events`)
})
