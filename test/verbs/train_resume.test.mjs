// What a run folder knows of the run in it: what may go on, who is at work, what was counted.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const config = { ...(await tinyTraining(home, { steps: 12 })), eval: undefined, accumulation: 1 }
const heldOut = { path: join(home, 'held_out.txt') }
let runs = 0
const newRun = (changes = {}) => ({ ...config, ...changes, out: join(home, `run-${runs++}`) })
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const metrics = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** Runs until `step` has been shown, then stops it and waits for its end. */
async function stopAfter(options, step, more = {}) {
  const stop = new AbortController()
  const run = train(options, { ...more, signal: stop.signal })
  const reason = new Error('enough')
  await assert.rejects(async () => {
    for await (const shown of run) if (shown.step >= step) stop.abort(reason)
  }, reason)
  return run.latest.checkpoint
}

const resume = async (options, more = {}) => (await train(options, { ...more, resume: true }).result).report

test('inputs are known by content: moved, renamed, linked or written in another order they are the same', async () => {
  const options = newRun({ data: [{ path: join(home, 'train.txt'), split: 'paragraph' }] })
  await stopAfter(options, 3)
  const elsewhere = join(home, 'elsewhere')
  mkdirSync(elsewhere)
  copyFileSync(join(home, 'train.txt'), join(elsewhere, 'other_name.txt'))
  const moved = { ...options, data: [{ split: 'paragraph', path: join(elsewhere, 'other_name.txt') }] }
  const { seed, ...rest } = moved
  assert.ok((await resume({ seed, ...rest })).resumed_from >= 3)
})

test('other content under the same path is refused: data, tokenizer, weights', async () => {
  const [data, model] = [join(home, 'data.txt'), join(home, 'model')]
  copyFileSync(join(home, 'train.txt'), data)
  await writeTinyModel(model)
  const options = newRun({ init: undefined, model, data: [{ path: data }] })
  await stopAfter(options, 2)
  for (const [file, change] of [
    [data, (bytes) => `${bytes} more`],
    [join(options.tokenizer, 'tokenizer.json'), (bytes) => `${bytes} `],
    [join(model, 'model.safetensors'), (bytes) => bytes.fill(0, bytes.length - 8)],
  ]) {
    const before = readFileSync(file)
    writeFileSync(file, change(Buffer.from(before)))
    await assert.rejects(resume(options), { code: 'ERR_CHECKPOINT', message: /these inputs/ }, file)
    writeFileSync(file, before)
  }
  await resume(options)
})

test('one process writes a run; the second is told who does', async () => {
  const options = newRun()
  const first = train(options)
  for await (const { step } of first) {
    if (step > 1) continue
    for (const claim of [{ resume: true }, { overwrite: true }]) {
      await assert.rejects(train(options, claim).result, (error) => {
        assert.equal(error.code, 'ERR_BUSY')
        assert.match(error.message, new RegExp(`written by process ${process.pid} on`))
        assert.match(error.hint, new RegExp(`kill ${process.pid}`))
        return true
      })
    }
  }
  assert.equal((await first.result).report.steps, 12)
  assert.ok(!existsSync(join(options.out, 'run.lock')))
})

test('a lock whose holder was killed is taken over, and told', async () => {
  const options = newRun()
  mkdirSync(options.out)
  const holder = { pid: 4711, host: 'there', boot_id: 'x', since: '2026-01-02T03:04:05Z' }
  writeFileSync(join(options.out, 'run.lock'), JSON.stringify(holder))
  const warnings = []
  await train(options, { onWarning: (warning) => warnings.push(warning) }).result
  assert.match(warnings.join(), /the run before, process 4711 of 2026-01-02T03:04:05Z, was ended by force/)
})

test('data that cannot be read leave no run folder behind, and an earlier run untouched', async () => {
  const options = newRun({ data: [{ path: join(home, 'none.txt') }] })
  await assert.rejects(train(options).result, { code: 'ERR_NOT_FOUND' })
  assert.ok(!existsSync(options.out))
  const there = newRun({ steps: 2 })
  await train(there).result
  const bad = { ...there, data: options.data }
  await assert.rejects(train(bad, { overwrite: true }).result, { code: 'ERR_NOT_FOUND' })
  assert.ok(existsSync(join(there.out, 'model/model.safetensors')))
})

test('a resumed report counts the whole run', async () => {
  const changes = { eval: { every: 5, data: [heldOut] } }
  const whole = (await train(newRun(changes)).result).report
  const options = newRun(changes)
  const { step } = await stopAfter(options, 4)
  const report = await resume(options)
  for (const key of ['loss', 'tokens', 'eval_loss', 'eval_loss_before'])
    assert.equal(report[key], whole[key], key)
  assert.equal(report.resumed_from, step)
  assert.deepEqual(
    report.sessions.map(({ first_step, steps }) => [first_step, steps]),
    [
      [0, step],
      [step, 12 - step],
    ],
  )
  const sum = (key) => report.sessions.reduce((total, session) => total + session[key], 0)
  assert.equal(report.tokens, sum('tokens'))
  assert.equal(report.seconds, sum('seconds'))
  assert.equal(report.tokens_per_second, report.tokens / report.seconds)
})

test('stopped in the last evaluation, a run evaluates again when it goes on, and nothing is lost', async () => {
  const data = join(home, 'large.txt')
  writeFileSync(data, Array.from({ length: 250 }, () => readFileSync(heldOut.path, 'utf8')).join('\n\n'))
  const changes = { steps: 4, eval: { every: 1000, data: [{ path: data }] } }
  const undisturbed = newRun(changes)
  const whole = (await train(undisturbed).result).report
  const options = newRun(changes)
  const stop = new AbortController()
  const run = train(options, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === 3) setTimeout(() => stop.abort(new Error('enough')), 250)
  }, /enough/)
  assert.equal(run.latest.checkpoint.step, 4)
  assert.equal(metrics(options).at(-1).eval_loss, undefined)
  const report = await resume(options)
  assert.equal(report.resumed_from, 4)
  assert.equal(report.eval_loss, whole.eval_loss)
  assert.equal(report.eval_loss_before, whole.eval_loss_before)
  assert.deepEqual(
    metrics(options).map(({ eval_loss }) => eval_loss),
    metrics(undisturbed).map(({ eval_loss }) => eval_loss),
  )
  assert.ok(weights(options).equals(weights(undisturbed)))
})

test('a run that goes on with another libtorch or number of threads says that it cannot be exact', async () => {
  const options = newRun()
  const { path } = await stopAfter(options, 2)
  const file = join(path, 'manifest.json')
  const manifest = JSON.parse(readFileSync(file, 'utf8'))
  assert.deepEqual(Object.keys(manifest.environment), [
    'tongueforge',
    'libtorch',
    'cpu_capability',
    'threads',
  ])
  manifest.environment.libtorch = '1.0.0'
  const { sha256: _, ...older } = manifest
  writeFileSync(file, JSON.stringify({ ...older, version: 2 })) // of that version, which had no hash of its own
  const warnings = []
  await resume({ ...options, threads: 2 }, { onWarning: (warning) => warnings.push(warning) })
  assert.equal(warnings.length, 1)
  assert.match(warnings[0], /libtorch 1\.0\.0 -> 2\.\S+, threads 1 -> 2\): .* not the same to the bit/)
})

test('a checkpoint of another version of the format is refused, not passed over', async () => {
  const options = newRun()
  const { path } = await stopAfter(options, 2)
  const file = join(path, 'manifest.json')
  const { sha256: _, ...manifest } = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...manifest, version: 1 }))
  await assert.rejects(resume(options), { code: 'ERR_CHECKPOINT', message: /of version 3, found version 1/ })
})

test('a checkpoint that was saved before anomalies were counted goes on to the same bytes', async () => {
  const undisturbed = newRun()
  await train(undisturbed).result
  const options = newRun()
  const { path } = await stopAfter(options, 2)
  const [state, manifest] = ['state.json', 'manifest.json'].map((name) => join(path, name))
  const { skipped_batches: _, anomalies: _a, recent: _r, ...older } = JSON.parse(readFileSync(state, 'utf8'))
  const bytes = JSON.stringify(older)
  writeFileSync(state, bytes)
  const known = JSON.parse(readFileSync(manifest, 'utf8'))
  Object.assign(
    known.files.find(({ name }) => name === 'state.json'),
    { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') },
  )
  writeFileSync(manifest, JSON.stringify(known))
  await resume(options)
  assert.ok(weights(options).equals(weights(undisturbed)))
})

test('a disk without room for the checkpoints is refused before the first update', async () => {
  const options = newRun({ steps: 1e12, checkpoint: { every: 1, keep: 1e10 } })
  await assert.rejects(train(options).result, (error) => {
    assert.equal(error.code, 'ERR_NO_SPACE')
    assert.ok(error.details.bytes_needed > error.details.bytes_free)
    assert.ok(
      error.message.includes(options.out) &&
        error.message.includes(`${error.details.bytes_needed} free bytes`),
    )
    return true
  })
  assert.ok(!existsSync(options.out))
})

test('--overwrite takes all of the earlier run away, and nothing else beside it', async () => {
  const options = newRun({ checkpoint: { every: 2, keep: 5 } })
  await train(options).result
  const before = readdirSync(home)
  await train({ ...options, checkpoint: { every: 5, keep: 1 } }, { overwrite: true }).result
  assert.deepEqual(readdirSync(join(options.out, 'checkpoints')), ['step-00000010'])
  assert.equal(metrics(options).length, 12)
  assert.deepEqual(readdirSync(home), before)
  rmSync(options.out, { recursive: true })
})

test('a run of hundreds of thousands of updates is resumed like any other', async () => {
  const options = newRun({ steps: 4 })
  await stopAfter(options, 2)
  const lines = metrics(options)
  const many = Array.from({ length: 150_000 }, (_, i) => `${JSON.stringify(lines[i % lines.length])}\n`)
  writeFileSync(join(options.out, 'metrics.jsonl'), many.join(''))
  assert.equal((await resume(options)).steps, 4)
  assert.equal(metrics(options).at(-1).step, 4)
})
