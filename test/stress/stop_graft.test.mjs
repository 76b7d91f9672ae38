// A graft through the command, stopped by SIGINT at any instant: the output is absent or complete, the inputs untouched, and
// --resume goes on to the very bytes of an undisturbed run. kill_verbs.test.mjs has the ends by force,
// storage_faults.test.mjs the writes that are refused.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { verify } from 'tongueforge'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, random, report, rounds, seed, sleep } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const home = temporaryFolder()
const draw = random(seed)
const inputs = ['target', 'base', 'chat'].map((name) => join(home, name))
const place = join(home, 'results/out')
const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
const hashes = () =>
  inputs.map((folder) => createHash('sha256').update(weights(folder)).digest('hex')).join(' ')

let expected, time, untouched

/** Starts the graft; resolves at its end with {code, signal, out, err}. */
function startGraft(args = [], env = {}) {
  const [target, base, chat] = inputs
  const models = ['--target', target, '--base', base, '--chat', chat, '--scale', '0.7', '--out', place]
  const command = [join(clone, 'dist/cli/main.js'), 'graft', ...models, '--json', ...args]
  const options = { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } }
  const child = spawn(process.execPath, command, options)
  return { child, ended: endOf(child, 'graft') }
}

before(async () => {
  for (const [i, folder] of inputs.entries())
    await writeTinyModel(folder, { seed: i + 1, width: 384, layers: 4 })
  untouched = hashes()
  const begin = performance.now()
  const { code, err } = await startGraft().ended
  assert.equal(code, 0, err)
  time = performance.now() - begin
  expected = weights(place)
  rmSync(place, { recursive: true })
})

/** Nothing under the final name, or all of it. */
async function checkAbsentOrWhole(what) {
  if (existsSync(place)) {
    assert.ok(weights(place).equals(expected), what)
    assert.equal((await verify(place, { chunks: 1 })).ok, true, what)
  }
  assert.equal(hashes(), untouched, what)
}

/** Goes on to the end; says how many bytes an earlier run had written. Nothing hidden is left. */
async function checkResumed(what) {
  const done = existsSync(place)
  const { code, out, err } = await startGraft(['--resume', ...(done ? ['--overwrite'] : [])]).ended
  assert.equal(code, 0, `${what}: ${err}${out}`)
  assert.ok(weights(place).equals(expected), what)
  assert.deepEqual(readdirSync(join(home, 'results')), ['out'])
  rmSync(place, { recursive: true })
  return JSON.parse(out).bytes_resumed
}

test('SIGINT with --resume keeps the work: exit code 75; without it nothing is left: 130', async (t) => {
  const count = rounds({ quick: 3, full: 20 })
  const codes = []
  for (let i = 0; i < count; i++) {
    const { child, ended } = startGraft(i % 2 ? [] : ['--resume'])
    await Promise.race([sleep((0.2 + 0.8 * draw()) * time), ended])
    child.kill('SIGINT')
    const { code, out } = await ended
    codes.push(code)
    await checkAbsentOrWhole(`stopped, ${code}`)
    const left = existsSync(join(home, 'results')) ? readdirSync(join(home, 'results')) : []
    if (code === 75) {
      const { error } = JSON.parse(out)
      assert.equal(error.code, 'ERR_INTERRUPTED')
      assert.match(error.hint, /^npx tongueforge graft .*--resume$/)
      assert.equal(left.length, 1)
    } else if (code === 130) assert.deepEqual(left, [])
    else if (code !== 0 && code !== null) assert.fail(`exit code ${code}: ${out}`)
    await checkResumed(`after SIGINT ${i}`)
  }
  report(t, `exit codes ${codes.join(' ')}`)
})
