// A server that trains is ended by force at any instant: its training goes on, or has not begun, and comes to the bytes
// of an undisturbed run.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { attach, train } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep, withDeadline } from '../helpers/stress.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const draw = random(seed)
const home = temporaryFolder()
const { eval: _, ...base } = await tinyTraining(home, { steps: 30 })
const config = { ...base, out: join(home, 'run') }
const program = fileURLToPath(new URL('../helpers/starts_training.mjs', import.meta.url))
const start = () => spawn(process.execPath, [program, JSON.stringify(config), '1000'])
const weights = () => readFileSync(join(config.out, 'model/model.safetensors'))

/** Waits for whoever works on the run; starts it where nobody does, who may still come to it. */
async function ended() {
  const found = await attach(config.out).result.then(
    () => true,
    (error) => {
      assert.ok(['ERR_NOT_FOUND', 'ERR_BUSY'].includes(error.code), `${error}`) // not begun, or just now
      return false
    },
  )
  if (found) return 'found'
  await sleep(200)
  try {
    await train(config, { resume: true }).result
    return 'started'
  } catch (error) {
    assert.equal(error.code, 'ERR_BUSY', `${error}`)
    return ended()
  }
}

test('kill -9 of a server at any instant of its training', async (t) => {
  const began = performance.now()
  await train(config).result
  const time = performance.now() - began
  const expected = weights()
  const count = rounds({ quick: 2, full: 30 })
  const outcomes = { found: 0, started: 0 }
  for (let i = 0; i < count; i++) {
    rmSync(config.out, { recursive: true })
    const server = start()
    const over = endOf(server, 'a server')
    await sleep(((i + draw()) / count) * (time + 500))
    server.kill('SIGKILL')
    await over
    outcomes[await withDeadline(ended(), 'a training')]++
    assert.ok(weights().equals(expected))
  }
  report(t, `${outcomes.found} trainings went on, ${outcomes.started} had not begun`)
})
