// A run that goes back to checkpoints, ended by force at any instant: --resume comes to the bytes of an undisturbed one.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { anomalousTraining } from '../helpers/anomalous_training.mjs'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'

const home = temporaryFolder()
const draw = random(seed)
const run = join(home, 'run')
const configFile = join(home, 'config.yaml')
const config = await anomalousTraining(home)
const anomaly = { non_finite: 'rollback', rollback: { back: 5 } }
writeFileSync(configFile, JSON.stringify({ ...config, anomaly, out: run })) // JSON is YAML too

function startTraining() {
  const command = [join(clone, 'dist/cli/main.js'), 'train', configFile, '--json', '--resume']
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'training') }
}

/** Runs to the end: what the run folder says then, but for its times. */
async function outcome() {
  const { code, out, err } = await startTraining().ended
  assert.equal(code, 0, err)
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
  return {
    weights: readFileSync(join(run, 'model/model.safetensors')),
    lines: lines.map((line) => {
      const { step, loss, grad_norm, eval_loss, rolled_back_from } = JSON.parse(line)
      return { step, loss, grad_norm, eval_loss, rolled_back_from }
    }),
    anomalies: JSON.parse(out).report.anomalies,
    hidden: readdirSync(run, { recursive: true }).filter((path) => /(^|\/)\./.test(path)),
  }
}

test('kill -9 at any instant of a run with rollbacks', async (t) => {
  const begin = performance.now()
  const expected = await outcome()
  const time = performance.now() - begin
  assert.ok(expected.anomalies.some(({ action }) => action === 'rollback'))
  const count = rounds({ quick: 2, full: 40 })
  let kills = 0
  for (let i = 0; i < count; i++) {
    rmSync(run, { recursive: true })
    // Starting takes the first half of the time.
    for (const share of [0.4 + 0.6 * ((i + draw()) / count), 0.4 + 0.6 * draw()]) {
      const { child, ended } = startTraining()
      await Promise.race([sleep(share * time), ended])
      child.kill('SIGKILL')
      if ((await ended).signal === 'SIGKILL') kills++
    }
    assert.deepEqual(await outcome(), expected)
  }
  report(
    t,
    `${kills} kills in ${count} runs of ${Math.round(time)} ms with ${expected.anomalies.length} rollbacks`,
  )
})
