// The lock of a run folder where the file system knows no locks, as some that clusters share: there its note is the lock.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { thisProcess } from '#lib/verbs/own_process/identity'
import { clone } from '../../helpers/cli.mjs'
import { compileShim, FailingCalls, KINDS } from '../../helpers/failing_calls.mjs'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { endOf } from '../../helpers/stress.mjs'

/** Takes the lock, says what it was told, and lets go; or keeps it for ever. */
const LOCKER = `
  import { lockRun } from '#lib/verbs/training/run_lock'
  const [folder, keeps] = process.argv.slice(1)
  const say = (what) => console.log(JSON.stringify(what))
  try {
    const lock = await lockRun(folder, (stale) => say({ stale }))
    say({ locked: true })
    if (keeps) setInterval(() => {}, 1000)
    else await lock.release()
  } catch ({ code, message, hint, details }) {
    say({ code, message, hint, details })
  }`

const home = temporaryFolder()
const folder = join(home, 'run')
const note = join(folder, 'run.lock')
let env

before(() => {
  assert.equal(process.platform, 'linux', 'the shim is for Linux')
  mkdirSync(folder)
  env = { ...process.env, ...compileShim(home) }
  const calls = new FailingCalls(env.FAIL_CONTROL)
  calls.order({
    under: folder,
    action: 'fail',
    kinds: ['lock'],
    at: 1,
    after: KINDS.filter((kind) => kind === 'lock'),
    error: 'ENOSYS',
  })
})

const locker = (...args) => {
  const command = ['--input-type=module', '-e', LOCKER, folder, ...args]
  return spawn(process.execPath, command, { cwd: clone, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** What a process is told that asks for the lock. */
async function asking() {
  const { code, out, err } = await endOf(locker(), 'the locker')
  assert.equal(code, 0, err)
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('a process that is there keeps others out, and once it was killed lets them in', async () => {
  const first = locker('keeps')
  await new Promise((resolve) => first.stdout.once('data', resolve))
  const [refused, ...others] = await asking()
  assert.equal(refused.code, 'ERR_BUSY')
  assert.match(refused.message, new RegExp(`${folder}: .* written by process ${first.pid} on `))
  assert.equal(
    refused.hint,
    `Wait for it, stop it (kill ${first.pid}), or choose another out. If that process is no more, delete ${note}.`,
  )
  assert.equal(refused.details.holder.pid, first.pid)
  assert.deepEqual(others, [])
  assert.equal(JSON.parse(readFileSync(note, 'utf8')).pid, first.pid)

  first.kill('SIGKILL')
  await endOf(first, 'the first')
  const [{ stale }, { locked }] = await asking()
  assert.match(stale, new RegExp(`the run before, process ${first.pid} of .*, was ended by force`))
  assert.ok(locked)
  assert.deepEqual(readdirSync(folder), [])
})

test('who cannot be asked for keeps others out until its note is deleted', async () => {
  const since = '2026-01-02T03:04:05Z'
  for (const [left, hint] of [
    [
      JSON.stringify({ ...thisProcess(), host: 'there', since }),
      /^Wait for it, stop it there, or .* delete .*run\.lock\.$/,
    ],
    ['{"pid": 12, "ho', /^Choose another out\. If that process is no more, delete .*run\.lock\.$/],
  ]) {
    writeFileSync(note, left)
    const [{ code, hint: received }] = await asking()
    assert.equal(code, 'ERR_BUSY')
    assert.match(received, hint)
    assert.equal(readFileSync(note, 'utf8'), left)
  }
})
