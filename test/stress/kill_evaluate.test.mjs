// Evaluation through the command, ended by force at any instant: --resume goes on to the very samples and figures of an
// undisturbed run, and a line of results.jsonl has all its samples.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../helpers/folders.mjs'
import { killedRuns, starter, undisturbed } from '../helpers/killed_runs.mjs'
import { report, rounds } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinyTasks } from '../helpers/tiny_tasks.mjs'

const home = temporaryFolder()
const out = join(home, 'run')
const models = await Promise.all(
  [1, 2].map((number) => writeTinyModel(join(home, `model${number}`), { seed: number })),
)
const tasks = writeTinyTasks(join(home, 'tasks'), { documents: 300 })

const start = starter('evaluate', [
  ...models,
  ...['--tasks', Object.values(tasks).join(','), '--out', out, '--num-fewshot', '3', '--threads', '1'],
])

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

const { time } = await undisturbed(start)
const expected = found()
rmSync(out, { recursive: true })

test('kill -9 at any instant, also of a resumed run', async (t) => {
  const count = rounds({ quick: 2, full: 30 })
  const { kills, resumed } = await killedRuns(count, {
    ...{ start, run: out, time },
    checkKilled: checkLines,
    checkEnded({ measured }) {
      assert.deepEqual(found(), expected)
      return measured < expected.samples.length
    },
  })
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} resumed after a task`)
})
