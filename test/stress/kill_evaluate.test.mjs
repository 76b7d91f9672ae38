// Evaluation through the command, ended by force at any instant: --resume goes on to the very samples and figures of an
// undisturbed run, and a line of results.jsonl has all its samples.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinyTasks } from '../helpers/tiny_tasks.mjs'

const home = temporaryFolder()
const draw = random(seed)

const out = join(home, 'run')
const models = await Promise.all(
  [1, 2].map((number) => writeTinyModel(join(home, `model${number}`), { seed: number })),
)
const tasks = writeTinyTasks(join(home, 'tasks'), { documents: 300 })

/** Starts `tongueforge evaluate ...args`; resolves at its end with {code, signal, out, err}. */
function start(...args) {
  const given = [
    ...models,
    '--tasks',
    Object.values(tasks).join(','),
    '--out',
    out,
    '--num-fewshot',
    '3',
    '--threads',
    '1',
  ]
  const command = [join(clone, 'dist/cli/main.js'), 'evaluate', ...given, '--json', ...args]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  return { child, ended: endOf(child, 'evaluation') }
}

/** Samples by file, and what is told of them. */
function found() {
  const folder = join(out, 'samples')
  const names = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
  const { results } = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
  return { results, samples: names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]) }
}

/** Every line that is whole has its samples, all of them. */
function checkLines() {
  const file = join(out, 'results.jsonl')
  if (!existsSync(file)) return
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const { model, task, documents } = JSON.parse(line)
    const samples = readFileSync(join(out, 'samples', model, `samples_${task}.jsonl`), 'utf8')
    assert.equal(samples.split('\n').length - 1, documents)
  }
}

const begun = performance.now()
const undisturbed = await start().ended
assert.equal(undisturbed.code, 0, undisturbed.err)
const time = performance.now() - begun
const expected = found()
rmSync(out, { recursive: true })

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
      checkLines()
    }
    const { code, out: told, err } = await start('--resume').ended
    assert.equal(code, 0, err)
    assert.deepEqual(found(), expected)
    if (JSON.parse(told).measured < 6) resumed++
    const left = readdirSync(out, { recursive: true }).filter((path) => /\.new$|(^|\/)\./.test(path))
    assert.deepEqual(left, [])
    rmSync(out, { recursive: true })
  }
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a task`)
})
