import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { endedByForce, outOfSight, toldError } from '#lib/verbs/own_process/endings'
import { Hearing } from '#lib/verbs/own_process/hearing'
import { thisProcess } from '#lib/verbs/own_process/identity'
import { temporaryFolder } from '../../helpers/folders.mjs'

const exit = { pid: 12, kept: undefined, log: undefined }

test('a crash is told by its signal and the last words, which are kept and the log is not', () => {
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i}`)
  const log = join(temporaryFolder({ log: `${lines.join('\n')}\nterminate called\n` }), 'log')
  const kept = { step: 7, path: 'run/checkpoints/step-7' }
  const error = endedByForce({ pid: 12, signal: 'SIGABRT', code: null, kept, log })
  assert.equal(error.code, 'ERR_PROCESS')
  assert.equal(error.message, 'the process of the run (12) ended by SIGABRT: terminate called')
  assert.equal(
    error.hint,
    'What was learned up to step 7 is saved: { resume: true } goes on from there. It crashed: please report it, with details.log.',
  )
  const said = [...lines.slice(-7), 'terminate called']
  const known = { resumable: true, checkpoint: kept.path, step: 7, log: said }
  assert.deepEqual(error.details, { pid: 12, signal: 'SIGABRT', ...known })
  assert.equal(existsSync(log), false)
})

test('each way to end has a hint of its own', () => {
  const hint = (how) => endedByForce({ ...exit, ...how }).hint
  assert.match(hint({ signal: 'SIGKILL', code: null }), /^Start it again .* lack of memory/)
  assert.match(hint({ signal: 'SIGSEGV', code: null }), /crashed: please report it/)
  assert.equal(hint({ signal: 'SIGTERM', code: null }), 'Start it again with { resume: true }.')
  assert.match(hint({ signal: null, code: 3 }), /Please report it, with details\.log\.$/)
  assert.match(endedByForce({ ...exit, signal: null, code: 3 }).message, /ended with exit code 3$/)
  assert.match(endedByForce(exit).message, /ended by force$/)
  assert.equal(hint({}), 'Start it again with { resume: true }.')
})

test('a process that ends before it has told anything leaves its last words', () => {
  const log = join(temporaryFolder({ log: 'Cannot find module\n' }), 'log')
  const audience = { emit: () => {}, latest: {}, signal: new AbortController().signal }
  const ended = () => new Hearing(audience, () => {}).ended({ pid: 12, signal: null, code: 1, log })
  assert.throws(ended, {
    code: 'ERR_PROCESS',
    message: 'the process of the run (12) ended with exit code 1: Cannot find module',
  })
  assert.equal(existsSync(log), false)
})

test('a mistake of ours keeps the stack of the process where it was made', () => {
  const { message, cause } = toldError({ code: 'ERR_INTERNAL', message: 'oh', details: {}, stack: 'there:1' })
  assert.deepEqual([message, cause.stack], ['oh', 'there:1'])
})

test('a process out of sight is named, with where it is', () => {
  const its = { ...thisProcess(), host: 'there' }
  const { code, message, hint } = outOfSight('runs/a', its)
  assert.equal(code, 'ERR_BUSY')
  assert.equal(
    message,
    `runs/a: the process of the run (${its.pid}) is on there, and cannot be seen from here`,
  )
  assert.match(hint, /on the same host, in the same container/)
})
