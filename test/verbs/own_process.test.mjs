// Training in a process of its own: as it is in this one, but that neither takes the other with it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { attach, TongueforgeError, train } from 'tongueforge'
import { identityOf, thisProcess } from '#lib/verbs/own_process/identity'
import { temporaryFolder } from '../helpers/folders.mjs'
import { endOf, withDeadline } from '../helpers/stress.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const STEPS = 16
const config = {
  ...(await tinyTraining(home, { steps: STEPS })),
  eval: undefined,
  checkpoint: { every: 4, keep: 2 },
}
let made = 0
const newRun = (changes) => ({ ...config, out: join(home, `run-${made++}`), ...changes })
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const logs = []
function began({ out }) {
  const event = JSON.parse(readFileSync(join(out, 'events.jsonl'), 'utf8').split('\n')[0])
  logs.push(event.log)
  return event
}
const asData = (value) => JSON.parse(JSON.stringify(value))
/** What does not depend on how fast it was. */
const learned = ({ step, steps, loss, grad_norm, lr, tokens }) => ({
  step,
  steps,
  loss,
  grad_norm,
  lr,
  tokens,
})

async function stepsOf(run, onStep = () => {}) {
  const steps = []
  for await (const step of run) {
    steps.push(learned(step))
    onStep(step)
  }
  return steps
}

const failure = (promise) =>
  withDeadline(
    promise.then(
      () => assert.fail('it should have failed'),
      (error) => error,
    ),
    'a run that fails',
  )

const here = newRun({ eval: { every: 8, data: config.data } })
const expected = await stepsOf(train(here, { ownProcess: false }))
const openFiles = () =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      return [] // the listing itself
    }
  })
const before = openFiles()

describe('train in a process of its own', () => {
  after(() => {
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()
    assert.equal(children, '', 'no process is left, and none that has ended waits to be fetched')
    const mine = openFiles().filter((path) => /events\.jsonl|tongueforge-train/.test(path))
    assert.deepEqual(mine, [])
    assert.deepEqual(logs.filter(existsSync), [])
    assert.ok(openFiles().length <= before.length + 2, `${openFiles()}\nbefore: ${before}`)
  })

  test('has the steps, the progress, the result and the bytes of a run in this process', async () => {
    const there = newRun({ eval: here.eval })
    const told = { progress: [], notes: [] }
    const run = train(there, { onProgress: (work) => told.progress.push(work) })
    assert.deepEqual(await stepsOf(run), expected)
    const { model, report } = await run.result
    assert.equal(model, join(there.out, 'model'))
    assert.deepEqual(report, JSON.parse(readFileSync(join(there.out, 'report.json'), 'utf8')))
    assert.ok(weights(there).equals(weights(here)))
    assert.equal(run.latest.checkpoint.step, 12)
    assert.ok(told.progress.some(({ label }) => label === 'evaluate'))
    assert.notEqual(began(there).process.pid, process.pid)

    const again = attach(there.out, { after: 12 })
    assert.deepEqual(await stepsOf(again), expected.slice(12))
    assert.deepEqual(await again.result, { model, report })
    await again.stop() // nobody is there to be stopped
  })

  test('that process is alone where the run is, whatever this one was started with', async () => {
    const team = { WORLD_SIZE: '2', RANK: '0', MASTER_ADDR: '127.0.0.1', MASTER_PORT: '1' }
    Object.assign(process.env, team)
    try {
      assert.deepEqual(await stepsOf(train(newRun({ eval: here.eval }), { environment: {} })), expected)
    } finally {
      for (const name of Object.keys(team)) delete process.env[name]
    }
  })

  test('a process that is killed is one error, and the run goes on to the same bytes', async () => {
    const options = newRun()
    mkdirSync(options.out)
    writeFileSync(join(options.out, 'resolved.yaml'), 'objective: cp\n') // an earlier run, to be replaced
    const run = train(options, { overwrite: true })
    const error = await failure(
      stepsOf(run, ({ step }) => step === 6 && process.kill(began(options).process.pid, 'SIGKILL')),
    )
    const { pid } = began(options).process
    const { step, path } = run.latest.checkpoint
    assert.ok(error instanceof TongueforgeError)
    assert.equal(error.code, 'ERR_PROCESS')
    assert.equal(error.message, `the process of the run (${pid}) ended by SIGKILL`)
    assert.match(
      error.hint,
      /^What was learned up to step \d+ is saved: \{ resume: true \} goes on from there\. /,
    )
    assert.match(error.hint, /lack of memory/)
    const details = { pid, signal: 'SIGKILL', resumable: true, checkpoint: path, step }
    assert.deepEqual(error.details, details)
    assert.equal(await failure(run.result), error)

    const late = await failure(attach(options.out).result)
    assert.equal(late.code, 'ERR_PROCESS')
    assert.match(late.message, /ended by force$/)
    assert.equal(late.details.step, step)

    const resumed = train(options, { resume: true })
    const rest = await stepsOf(resumed)
    assert.deepEqual(rest, expected.slice(-rest.length))
    assert.ok((await resumed.result).report.resumed_from >= step)
    assert.ok(weights(options).equals(weights(here)))
    assert.deepEqual(await stepsOf(attach(options.out)), expected)
  })

  test('mistakes are the errors that they are in this process', async () => {
    const wrong = [
      [{ ...config, stepz: 3 }],
      [{ ...newRun(), steps: Number.NaN }],
      [newRun(), { overrides: ['optimizer.lr=fast'] }],
      [{ ...newRun(), data: [{ path: join(home, 'nowhere.txt') }] }],
      [{ ...config, out: here.out }],
    ]
    for (const [given, options] of wrong) {
      const error = await failure(train(given, options).result)
      const same = await failure(train(given, { ...options, ownProcess: false }).result)
      assert.ok(error instanceof TongueforgeError)
      assert.deepEqual(asData(error), asData(same))
    }
    assert.equal(existsSync(join(here.out, 'events.jsonl')), false)
    const notData = await failure(train({ ...newRun(), steps: () => 3 }).result)
    assert.equal(notData.code, 'ERR_CONFIG')
    assert.match(notData.message, /^config: expected plain data, .*could not be cloned/)
    assert.match(notData.hint, /another process/)
  })

  test('a run that fails before it has begun leaves its error to be heard, and nothing in the way', async () => {
    const broken = join(home, 'broken.jsonl')
    writeFileSync(broken, `{"text": "rope"}\n`.repeat(300).concat('{"text": '))
    const options = { ...newRun(), data: [{ path: broken }] }
    const error = await failure(train(options).result)
    assert.equal(error.code, 'ERR_DATA')
    assert.deepEqual(asData(await failure(attach(options.out).result)), asData(error))
    const { report } = await train({ ...config, out: options.out }, { dryRun: true, ownProcess: false })
      .result
    assert.ok(report.dry_run)
  })

  test('a plan and a first batch are those of this process', async () => {
    const options = newRun()
    const how = { showBatch: true }
    const [there, inHere] = [train(options, how), train(options, { ...how, ownProcess: false })]
    const { batch, plan, ...others } = (await there.result).report
    const same = asData((await inHere.result).report)
    assert.deepEqual({ batch, ...others }, { batch: same.batch, ...others })
    assert.equal(plan.memory_bytes, same.plan.memory_bytes)
    assert.equal(existsSync(options.out), false)
  })

  test('where no process can be started, it says what to do', async () => {
    const { TMPDIR } = process.env
    process.env.TMPDIR = join(home, 'nowhere')
    try {
      const error = await failure(train(newRun()).result)
      assert.equal(error.code, 'ERR_PROCESS')
      assert.match(error.message, /^no process could be started for the run: ENOENT/)
      assert.match(error.hint, /^\{ ownProcess: false \} works in this process/)
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
  })

  test('what it tells being lost ends it', async () => {
    const options = newRun({ steps: 400 })
    const run = train(options)
    const error = await failure(
      stepsOf(
        run,
        ({ step }) => step === 3 && appendFileSync(join(options.out, 'events.jsonl'), 'nonsense\n'),
      ),
    )
    assert.equal(error.code, 'ERR_DATA')
    assert.match(error.message, /events\.jsonl:\d+: expected an event of a run/)
    assert.equal(existsSync(join(options.out, 'run.lock')), false)
  })

  test('its signal saves and stops it, and its folder is free at once', async () => {
    const options = newRun()
    const stop = new AbortController()
    const run = train(options, { signal: stop.signal })
    const reason = new Error('enough')
    assert.equal(await failure(stepsOf(run, ({ step }) => step === 6 && stop.abort(reason))), reason)
    assert.ok(run.latest.checkpoint.step >= 6)
    assert.ok(existsSync(join(run.latest.checkpoint.path, 'manifest.json')))
    const resumed = train(options, { resume: true })
    assert.equal((await resumed.result).report.resumed_from, run.latest.checkpoint.step)
    assert.ok(weights(options).equals(weights(here)))
    const aborted = train(newRun(), { signal: AbortSignal.abort(reason) })
    assert.equal(await failure(aborted.result), reason)
  })

  test('one that is stopped before it listens leaves no log', async () => {
    const [{ TMPDIR }, own] = [process.env, temporaryFolder()]
    process.env.TMPDIR = own
    try {
      const [stop, reason] = [new AbortController(), new Error('enough')]
      const run = train(newRun(), { signal: stop.signal })
      while (readdirSync(own).length === 0) await setImmediate()
      stop.abort(reason)
      assert.equal(await failure(run.result), reason)
      assert.deepEqual(readdirSync(own), [])
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR
      else process.env.TMPDIR = TMPDIR
    }
  })

  test('what a callback throws ends it', async () => {
    const options = newRun({ eval: here.eval })
    const thrown = new Error('mine')
    const onProgress = () => {
      throw thrown
    }
    assert.equal(await failure(train(options, { onProgress }).result), thrown)
    assert.equal(existsSync(join(options.out, 'run.lock')), false)
    assert.equal(existsSync(join(options.out, 'model')), false)
  })

  test('leaving its loop stops it, leaving the loop of one that is followed does not', async () => {
    const options = newRun()
    const run = train(options)
    for await (const { step } of run) {
      if (step < 3) continue
      for await (const seen of attach(options.out)) if (seen.step === 2) break
      const held = attach(options.out, { signal: AbortSignal.timeout(50) })
      assert.equal((await failure(held.result)).name, 'TimeoutError')
      assert.ok(existsSync(join(options.out, 'run.lock')))
      break
    }
    assert.equal((await failure(run.result)).name, 'AbortError')
    assert.equal(existsSync(join(options.out, 'run.lock')), false)
  })
})

describe('attach', () => {
  const program = fileURLToPath(new URL('../helpers/starts_training.mjs', import.meta.url))

  test('a run whose server was killed goes on, is found again, and is stopped from there', async () => {
    const options = newRun({ steps: 400 })
    const server = spawn(process.execPath, [program, JSON.stringify(options), '5'])
    const { signal, out } = await endOf(server, 'a server that is killed')
    assert.equal(signal, 'SIGKILL')

    const { pid } = began(options).process
    assert.ok(existsSync(join(options.out, 'run.lock')), 'it works on')
    const [, , group, session] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .split(') ')[1]
      .split(' ')
      .map(Number)
    assert.deepEqual([group, session], [pid, pid], 'Ctrl-C does not reach it')

    const { port } = JSON.parse(out)
    const next = createServer()
    await new Promise((done, reject) => next.once('error', reject).listen(port, '127.0.0.1', done))
    next.close() // its port is free: the run holds nothing of it

    const run = attach(options.out, { after: 5 })
    const seen = []
    for await (const { step } of run) {
      seen.push(step)
      if (seen.length === 3) break
    }
    assert.deepEqual(seen, [6, 7, 8])
    const watched = attach(options.out)
    const all = failure(stepsOf(watched))
    const stopped = failure(watched.result)
    await withDeadline(watched.stop(), 'stopping')
    const error = await stopped
    assert.equal(error.code, 'ERR_INTERRUPTED')
    assert.equal(error.message, 'stopped by SIGTERM')
    assert.equal(await all, error)
    assert.equal(existsSync(join(options.out, 'run.lock')), false)
    const { step } = watched.latest.checkpoint
    assert.ok(step >= 8)
    assert.ok(existsSync(join(watched.latest.checkpoint.path, 'manifest.json')))
  })

  test('stop() meets no process but the one that holds the folder', async () => {
    const event = (its) => `${JSON.stringify({ event: 'began', verb: 'train', process: its, log: '' })}\n`
    const later = { ...thisProcess(), started: '1' } // had the number of this process
    const reused = temporaryFolder({ 'events.jsonl': event(later), 'run.lock': later })
    await withDeadline(attach(reused).stop(), 'stopping what is gone')

    const child = spawn('sleep', ['0.5'])
    const ended = once(child, 'exit')
    const { started } = identityOf(child.pid)
    const done = { ...thisProcess(), pid: child.pid, started } // has let go of the folder
    await attach(temporaryFolder({ 'events.jsonl': event(done) })).stop()
    assert.deepEqual(await ended, [0, null])

    const away = temporaryFolder({ 'events.jsonl': event({ ...later, host: 'there' }) })
    await assert.rejects(attach(away).stop(), { code: 'ERR_BUSY', message: /is on there/ })
    assert.equal((await failure(attach(away).result)).code, 'ERR_BUSY')
  })

  test('there has to be a run, of a process that tells', async () => {
    const nothing = await failure(attach(join(home, 'nowhere')).result)
    assert.equal(nothing.code, 'ERR_NOT_FOUND')
    assert.match(nothing.message, /nowhere: expected a run to follow, found none/)
    assert.match(nothing.hint, /resume: true/)
    assert.equal((await failure(attach(here.out).result)).code, 'ERR_NOT_FOUND')
    await assert.rejects(attach(here.out).stop(), { code: 'ERR_NOT_FOUND' })

    for (const name of ['x'.repeat(300), 'a\0b']) {
      const unreadable = await failure(attach(join(home, name)).result)
      assert.deepEqual([unreadable.code, unreadable.details.file], ['ERR_IO', join(home, name)])
    }

    const silent = newRun()
    const run = train(silent, { ownProcess: false })
    for await (const _ of run) {
      const busy = await failure(attach(silent.out).result)
      assert.equal(busy.code, 'ERR_BUSY')
      assert.match(
        busy.message,
        new RegExp(`the run is written by process ${process.pid} on .*, which tells nothing`),
      )
      assert.match(busy.hint, /metrics\.jsonl/)
      break
    }
  })
})
