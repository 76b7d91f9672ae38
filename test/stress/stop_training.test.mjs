// Training through the command, stopped by signals at any instant: the exit code says what there is to go on from, --resume
// goes on to the very bytes of an undisturbed run, and no model folder is ever half written. kill_verbs.test.mjs has the
// ends by force.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from 'tongueforge'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const draw = random(seed)

const config = await tinyTraining(join(home, 'data'), { steps: rounds({ quick: 30, full: 60 }) })
const configFile = join(home, 'config.yaml')
writeFileSync(configFile, JSON.stringify({ ...config, out: join(home, 'run') })) // JSON is YAML too

const run = join(home, 'run')
const weights = () => readFileSync(join(run, 'model/model.safetensors'))

/** Starts `tongueforge train CONFIG ...args`; resolves at its end with {code, signal, out, err}. */
function startTraining(...args) {
  const command = [join(clone, 'dist/cli/main.js'), 'train', configFile, '--json', ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'training') }
}

/** The bytes that an undisturbed run comes to. */
async function undisturbedRun() {
  const { code, err } = await startTraining().ended
  assert.equal(code, 0, err)
  const bytes = weights()
  rmSync(run, { recursive: true })
  return bytes
}

const expected = await undisturbedRun()

/** Every folder with a final name is whole: the model loads, checkpoints have all the bytes of their manifests. */
async function checkWhole() {
  if (existsSync(join(run, 'model'))) {
    await (await loadModel(run)).dispose()
    assert.ok(weights().equals(expected))
  }
  const checkpoints = join(run, 'checkpoints')
  for (const name of existsSync(checkpoints) ? readdirSync(checkpoints) : []) {
    if (name.startsWith('.')) continue
    const { files } = JSON.parse(readFileSync(join(checkpoints, name, 'manifest.json'), 'utf8'))
    assert.ok(files.length >= 2)
    for (const file of files) assert.equal(statSync(join(checkpoints, name, file.name)).size, file.bytes)
  }
}

/** Goes on to the end; the result is that of an undisturbed run, and nothing hidden is left. */
async function checkResumed() {
  const { code, out, err } = await startTraining('--resume').ended
  assert.equal(code, 0, err)
  assert.ok(weights().equals(expected), 'the model of the resumed run')
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).step),
    Array.from({ length: config.steps }, (_, i) => i + 1),
  )
  const report = JSON.parse(readFileSync(join(run, 'report.json'), 'utf8'))
  assert.deepEqual(report, JSON.parse(out).report)
  const hidden = readdirSync(run, { recursive: true }).filter((path) => /(^|\/)\./.test(path))
  assert.deepEqual(hidden, [])
  return report.resumed_from
}

/** Resolves once the run has taken some steps, or is over. */
async function stepsTaken(count, ended) {
  let over = false
  ended.finally(() => {
    over = true
  })
  const metrics = join(run, 'metrics.jsonl')
  const taken = () => existsSync(metrics) && readFileSync(metrics, 'utf8').split('\n').length - 1
  while (!over && !(taken() >= count)) await sleep(2)
}

test('SIGTERM and SIGINT after the first step: exit code 75, and the rest later', async (t) => {
  const count = rounds({ quick: 2, full: 30 })
  const saved = []
  for (let i = 0; i < count; i++) {
    const { child, ended } = startTraining()
    await stepsTaken(1 + Math.floor(draw() * config.steps * 0.8), ended)
    child.kill(i % 2 ? 'SIGINT' : 'SIGTERM')
    const { code, out, err } = await ended
    assert.ok(code === 75 || code === 0, `exit code ${code}: ${err}`)
    await checkWhole()
    if (code === 75) {
      const { error } = JSON.parse(out)
      assert.equal(error.code, 'ERR_INTERRUPTED')
      assert.match(error.hint, /^npx tongueforge train .*config\.yaml --resume$/)
      assert.ok(existsSync(join(error.details.checkpoint, 'manifest.json')))
      saved.push(error.details.step)
      assert.equal(await checkResumed(), error.details.step)
    }
    rmSync(run, { recursive: true })
  }
  assert.ok(saved.length > 0)
  report(t, `${saved.length} of ${count} stopped in time, at the steps ${saved.join(' ')}`)
})

test('SIGINT before the first step: exit code 130, and nothing stands in the way of a later run', async () => {
  const { child, ended } = startTraining('accumulation=5000') // a first step of many seconds
  while (!existsSync(join(run, 'resolved.yaml'))) await Promise.race([sleep(2), ended])
  await sleep(draw() * 100)
  child.kill('SIGINT')
  const { code, out } = await ended
  assert.equal(code, 130)
  assert.equal(JSON.parse(out).error.message, 'stopped by SIGINT')
  assert.equal(await checkResumed(), undefined)
})
