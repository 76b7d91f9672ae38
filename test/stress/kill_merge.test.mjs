// A graft through the command, killed at any instant and refused at any write: the output is absent or complete, the
// inputs untouched, and --resume goes on to the very bytes of an undisturbed run.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
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
const shim = join(home, 'failing_calls.so')
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
  execFileSync('cc', [
    '-shared',
    '-fPIC',
    '-O1',
    '-o',
    shim,
    join(clone, 'test/stress/failing_calls.c'),
    '-ldl',
  ])
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

test('kill -9 at any instant: absent or complete, and resumed to the same bytes', async (t) => {
  const count = rounds({ quick: 3, full: 100 })
  let [kills, resumed] = [0, 0]
  for (let i = 0; i < count; i++) {
    for (const share of [(i + draw()) / count, draw()].slice(0, i % 3 === 0 ? 2 : 1)) {
      const { child, ended } = startGraft(['--resume'])
      await Promise.race([sleep(share * time * 1.1), ended])
      child.kill('SIGKILL')
      if ((await ended).signal === 'SIGKILL') kills++
      await checkAbsentOrWhole(`killed at ${share}`)
      if (existsSync(place)) break
    }
    if ((await checkResumed(`after kill ${i}`)) > 0) resumed++
  }
  assert.ok(kills > 0)
  report(t, `${kills} kills in ${count} runs of ${Math.round(time)} ms, ${resumed} went on from a journal`)
})

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

/** How often a kind of call is made below the place of the result. */
async function countCalls(call) {
  const file = join(home, 'count')
  const { code, err } = await startGraft([], environment(call, { FAIL_COUNT: file })).ended
  assert.equal(code, 0, err)
  rmSync(place, { recursive: true })
  return Number(readFileSync(file, 'utf8'))
}

const environment = (call, more) => ({
  LD_PRELOAD: shim,
  FAIL_CALL: call,
  FAIL_UNDER: join(home, 'results'),
  ...more,
})

for (const [call, name, errno, code] of [
  ['pwrite', 'ENOSPC', 28, 'ERR_NO_SPACE'],
  ['write', 'ENOSPC', 28, 'ERR_NO_SPACE'],
  ['fallocate', 'ENOSPC', 28, 'ERR_NO_SPACE'],
  ['fsync', 'EIO', 5, 'ERR_IO'],
  ['rename', 'ENOSPC', 28, 'ERR_NO_SPACE'],
]) {
  test(`${name} of ${call}, wherever it comes: one error, nothing half-written, and a way on`, async (t) => {
    const calls = await countCalls(call)
    assert.ok(calls > 0, `${call} is called`)
    const count = Math.min(calls, rounds({ quick: 2, full: 40 }))
    let resumed = 0
    for (let i = 0; i < count; i++) {
      const at = 1 + Math.floor(((i + draw()) / count) * calls)
      // Once alone, and as a disk that stays full.
      const times = i % 2 ? '1000000' : '1'
      const failing = environment(call, { FAIL_AT: String(at), FAIL_ERRNO: String(errno), FAIL_TIMES: times })
      const { code: exit, out } = await startGraft(i % 3 ? ['--resume'] : [], failing).ended
      const what = `${call} ${at} of ${calls}, ${times} times`
      await checkAbsentOrWhole(what)
      if (exit !== 0) {
        const { error } = JSON.parse(out)
        assert.equal(error.code, code, `${what}: ${out}`)
        assert.ok(error.hint, what)
      }
      if ((await checkResumed(what)) > 0) resumed++
    }
    // What a failed sync was to bring to the disk may be lost, whatever the journal says.
    if (call === 'fsync') assert.equal(resumed, 0)
    report(t, `${count} of ${calls} calls failed, ${resumed} went on from a journal`)
  })
}
