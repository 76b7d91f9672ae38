// Updates that are refused, for real: the loss of some batches is no number, or far above all others. What the policy
// does then, what is told of it, and that a run cut anywhere ends as one that was left alone.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { anomalousTraining } from '../helpers/anomalous_training.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { random, rounds, seed } from '../helpers/stress.mjs'

const home = temporaryFolder()
const config = await anomalousTraining(home)
const twice = await anomalousTraining(join(home, 'twice'), { places: [100, 250] })
const draw = random()
let runs = 0
const newRun = (anomaly, changes = {}) => ({
  ...config,
  ...changes,
  anomaly,
  out: join(home, `run-${runs++}`),
})
const SKIP = { non_finite: 'skip' }
const ROLLBACK = { non_finite: 'rollback', rollback: { back: 3, max: 9 } }

const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const reportIn = ({ out }) => JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
const checkpoints = ({ out }) => readdirSync(join(out, 'checkpoints'))
const metrics = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const folderOf = (step) => `step-${String(step).padStart(8, '0')}`

/** Runs to the end; resolves with the report, what was warned of, and the steps that were shown. */
async function finish(options, more = {}) {
  const warnings = []
  const run = train(options, { onWarning: (warning) => warnings.push(warning), ...more })
  const steps = []
  for await (const { step } of run) steps.push(step)
  return { ...(await run.result), warnings, steps }
}

/** Stops a run once `count` updates were shown. */
async function stopAfter(options, count, more = {}) {
  const stop = new AbortController()
  const run = train(options, { ...more, signal: stop.signal })
  const reason = new Error('enough')
  let shown = 0
  await assert.rejects(async () => {
    for await (const _ of run) if (++shown === count) stop.abort(reason)
    await run.result
  }, reason)
}

/** A line without what differs from time to time. */
function withoutSpeed({
  tokens_per_second: _,
  padded_tokens_per_second: _padded,
  mfu: _mfu,
  memory_bytes: _memory,
  peak_memory_bytes: _peak,
  ...line
}) {
  return line
}

/** That a run ended as another one did: weights, lines and anomalies. */
function assertSame(options, whole, what) {
  assert.ok(weights(options).equals(weights(whole)), `${what}: other weights`)
  const told = (one) => metrics(one).map(withoutSpeed)
  assert.deepEqual(told(options), told(whole), what)
  for (const key of ['loss', 'eval_loss', 'anomalies'])
    assert.deepEqual(reportIn(options)[key], reportIn(whole)[key], `${what}: ${key}`)
}

const clean = newRun({}, { data: [{ path: join(home, 'train.txt') }] })
const { report: undisturbed } = await finish(clean)
const skipping = newRun(SKIP, twice)
const skipped = await finish(skipping)
const rolling = newRun(ROLLBACK, twice)
const rolled = await finish(rolling)

const near = (report) => Math.abs(report.eval_loss / undisturbed.eval_loss - 1)

describe('a loss that is no number', () => {
  test('stop: the run ends, names the batch and its words, and has saved what it learned', async () => {
    const [{ step, batch }] = skipped.report.anomalies
    const options = newRun({}, { ...twice, checkpoint: { every: 0, async: true } })
    await assert.rejects(finish(options), (error) => {
      assert.equal(error.code, 'ERR_NON_FINITE')
      assert.match(error.message, new RegExp(`^update ${step}: the loss is NaN .*the update was not taken`))
      assert.match(error.message, new RegExp(`Rows of batch ${batch} begin: "`))
      assert.match(error.hint, /--resume anomaly\.non_finite=skip .*optimizer\.lr/)
      assert.equal(error.details.saved_step, step - 1)
      return true
    })
    assert.deepEqual(checkpoints(options), [folderOf(step - 1)])
    assert.equal(metrics(options).length, step - 1)
    await finish({ ...options, anomaly: SKIP }, { resume: true })
    assertSame(options, skipping, 'resumed with skip')
  })

  test('stop before anything was learned leaves nothing to resume, and says so', async () => {
    const options = newRun({}, { data: [{ path: join(home, 'spoilt.txt') }], batch_size: 90 })
    await assert.rejects(
      finish(options),
      ({ code, hint }) => code === 'ERR_NON_FINITE' && !/resume/.test(hint),
    )
    assert.ok(!existsSync(join(options.out, 'checkpoints')))
  })

  test('skip: the batch is left out, told and counted, and the loss is that of clean data', () => {
    const { report, warnings, steps } = skipped
    assert.ok(report.anomalies.length >= 2)
    assert.deepEqual(steps, metrics(skipping).map(({ step }) => step)) // biome-ignore format: one thought
    assert.equal(steps.length, config.steps)
    for (const [i, one] of report.anomalies.entries()) {
      assert.deepEqual(
        { ...one, step: 0 },
        {
          kind: 'non_finite',
          action: 'skip',
          step: 0,
          batch: one.step - 1 + i,
          loss: 'NaN',
          grad_norm: 'NaN',
        },
      )
      assert.match(warnings[i], new RegExp(`^update ${one.step}: the loss is NaN.*; the batch is left out$`))
    }
    const told = metrics(skipping).flatMap(({ step, skipped: why }) => (why ? [[step, why]] : []))
    assert.deepEqual(told, report.anomalies.map(({ step }) => [step, ['non_finite']])) // biome-ignore format: one thought
    assert.ok(near(report) < 0.01, `${100 * near(report)} % from clean data`)
  })

  test('skip: one more than max_skips ends the run, and resuming with more goes on', async () => {
    const options = newRun({ ...SKIP, max_skips: 1 }, twice)
    const [first, second] = skipped.report.anomalies
    await assert.rejects(finish(options), (error) => {
      assert.equal(error.code, 'ERR_NON_FINITE')
      assert.match(
        error.message,
        new RegExp(`^update ${second.step}: .*max_skips allows .*update ${first.step} `),
      )
      assert.match(error.hint, /--resume anomaly\.max_skips=3/)
      return true
    })
    await finish({ ...options, anomaly: SKIP }, { resume: true })
    assertSame(options, skipping, 'resumed with more skips')
  })

  test('rollback: back to the checkpoint, other batches from there, and the loss is that of clean data', () => {
    const { report, warnings, steps } = rolled
    const [first] = report.anomalies
    assert.deepEqual([first.kind, first.action], ['non_finite', 'rollback'])
    assert.ok(report.anomalies.length >= 2)
    assert.ok(first.step - 1 - first.back_to >= 3 && first.step - 1 - first.back_to < 3 + 4)
    assert.equal(first.back_to % 4, 0)
    // Each rollback leaves 7 batches out, beside those of the rollbacks before it.
    for (const [i, { step, batch }] of report.anomalies.entries()) assert.equal(batch, step - 1 + 7 * i)
    assert.ok(steps[first.step - 1] <= first.back_to + 1, 'the next update shown')
    assert.deepEqual(metrics(rolling).map(({ step }) => step), Array.from({ length: 24 }, (_, i) => i + 1)) // biome-ignore format: one thought
    const told = metrics(rolling).flatMap(({ step, rolled_back_from: from }) => (from ? [[step, from]] : []))
    assert.deepEqual(told.at(-1), [report.anomalies.at(-1).back_to + 1, report.anomalies.at(-1).step])
    assert.match(warnings[0], new RegExp(`back to step ${first.back_to}, and 7 batches are left out$`))
    // Up to where it went back furthest nothing is new; then it learns from other batches.
    const furthest = Math.min(...report.anomalies.map(({ back_to }) => back_to))
    const [rollingLoss, skippingLoss] = [rolling, skipping].map((run) => metrics(run).map(({ loss }) => loss))
    assert.deepEqual(rollingLoss.slice(0, furthest), skippingLoss.slice(0, furthest))
    assert.notEqual(rollingLoss[furthest], skippingLoss[furthest])
    assert.ok(near(report) < 0.01, `${100 * near(report)} % from clean data`)
  })

  test('rollback: one more than rollback.max ends the run', async () => {
    const options = newRun({ ...ROLLBACK, rollback: { back: 3, max: 0 } }, twice)
    await assert.rejects(finish(options), {
      code: 'ERR_NON_FINITE',
      message: /rollback\.max allows .* 0 rollbacks/,
    })
  })
})

describe('a loss that jumps', async () => {
  // Six sentences, soon known by heart, and here and there a row of words that are in none of them.
  const words = 'lena viktor irina marko greta food red white bread fish hill island baker weaver'.split(' ')
  const noise = Array.from({ length: 60 }, (_, i) => words[(i * i * 7 + i) % words.length]).join(' ')
  const known = readFileSync(join(home, 'train.txt'), 'utf8').split('\n\n').slice(0, 6)
  writeFileSync(join(home, 'known.txt'), known.join('\n\n'))
  writeFileSync(join(home, 'noise.txt'), noise)
  const knownOnly = [{ path: join(home, 'known.txt'), weight: 80 }]
  const noisyRun = (anomaly, changes) =>
    newRun(anomaly, {
      model: clean.model,
      data: [...knownOnly, { path: join(home, 'noise.txt') }],
      eval: { every: 60, data: [{ path: join(home, 'known.txt') }] },
      steps: 60,
      optimizer: { lr: 0.006 },
      schedule: { kind: 'wsd', warmup: 2, decay: 0.3 },
      ...changes,
    })
  const watch = { window: 10, factor: 10 }
  const without = finish(noisyRun({ ...watch, spike: 'stop' }, { data: knownOnly })) // no false alarm

  test('off: it is learnt from; stop: the run ends before it, and names the limit', async () => {
    const { report } = await finish(noisyRun({}))
    assert.equal(report.anomalies, undefined)
    await assert.rejects(finish(noisyRun({ ...watch, spike: 'stop' })), (error) => {
      assert.equal(error.code, 'ERR_SPIKE')
      assert.match(
        error.message,
        /^update \d+: the loss is [\d.]+ \(limit [\d.]+\) .* Rows of batch \d+ begin: /,
      )
      assert.match(error.hint, /--resume anomaly\.spike=skip/)
      return true
    })
  })

  for (const action of ['skip', 'rollback']) {
    test(`${action}: only rows of noise are met, and the loss is that of data without them`, async () => {
      const anomaly = { ...watch, spike: action, rollback: { back: 5, max: 9 } }
      const options = noisyRun(anomaly)
      const { report, warnings } = await finish(options)
      assert.ok(report.anomalies.length > 0)
      for (const [i, { kind, loss, loss_limit, ...met }] of report.anomalies.entries()) {
        assert.deepEqual([kind, met.action], ['spike', action])
        assert.ok(loss > loss_limit)
        assert.match(warnings[i], new RegExp(words.slice(3, 5).join('|')))
      }
      const off = Math.abs(report.eval_loss / (await without).report.eval_loss - 1)
      assert.ok(off < 0.01, `${100 * off} % from clean data`)
      const cut = noisyRun(anomaly)
      await stopAfter(cut, report.anomalies[0].step - 1 - Math.floor(2 * draw()))
      await finish(cut, { resume: true })
      assertSame(cut, options, 'resumed')
    })
  }

  test("the gradient's norm is watched where grad_norm_factor says so", async () => {
    const { report } = await finish(noisyRun({ ...watch, spike: 'skip', factor: 1e6, grad_norm_factor: 20 }))
    assert.ok(report.anomalies.every(({ grad_norm, grad_norm_limit: limit }) => grad_norm > limit))
    assert.ok(report.anomalies.length > 0)
  })
})

describe('cut anywhere, a run ends as one that was left alone', () => {
  for (const [name, options, whole, changes] of [
    ['skip', skipping, skipped, twice],
    ['rollback', rolling, rolled, twice],
  ]) {
    test(`${name}: stopped anywhere, and once more (TONGUEFORGE_SEED=${seed})`, async () => {
      const places = Array.from({ length: whole.steps.length - 1 }, (_, i) => i + 1)
      const some = new Set([whole.report.anomalies[0].step - 1]) // the update before the first anomaly, and others
      while (some.size < rounds({ quick: 3, full: places.length }))
        some.add(places[Math.floor(draw() * places.length)])
      for (const count of some) {
        const cut = newRun(options.anomaly, changes)
        await stopAfter(cut, count)
        if (draw() < 0.5) await stopAfter(cut, 2, { resume: true }).catch(() => {}) // it may be over by then
        await finish(cut, { resume: true })
        assertSame(cut, options, `stopped after ${count}`)
      }
    })

    test(`${name}: ended by force as it is told, nothing saved any more`, async () => {
      const last = whole.report.anomalies.length - 1
      for (const which of new Set([0, Math.floor(draw() * last), last])) {
        const cut = newRun(options.anomaly, changes)
        let left = which
        const crash = () => {
          if (left-- === 0) throw new Error('crash')
        }
        await assert.rejects(train(cut, { onWarning: crash }).result, /crash/)
        const { back_to } = whole.report.anomalies[which]
        if (back_to !== undefined)
          assert.equal(checkpoints(cut).at(-1), folderOf(back_to), 'newer ones are gone')
        await finish(cut, { resume: true })
        assertSame(cut, options, `crashed at anomaly ${which}`)
      }
    })
  }

  test('rollback: ended by force while the checkpoint it went back to is written anew', async () => {
    const cut = newRun(ROLLBACK, twice)
    const crash = () => {
      throw new Error('crash')
    }
    await assert.rejects(train(cut, { onWarning: crash }).result, /crash/)
    const { back_to } = rolled.report.anomalies[0]
    assert.equal(checkpoints(cut).at(-1), folderOf(back_to), 'newer ones are gone')
    rmSync(join(cut.out, 'checkpoints', folderOf(back_to)), { recursive: true })
    await finish(cut, { resume: true })
    assertSame(cut, rolling, 'without that checkpoint')
  })

  test('rollback: with checkpoints written beside the training', async () => {
    const changes = { ...twice, checkpoint: { ...config.checkpoint, async: true } }
    const cut = newRun(ROLLBACK, changes)
    await stopAfter(cut, rolled.report.anomalies[0].step + 1)
    await finish(cut, { resume: true })
    assertSame(cut, rolling, 'async')
  })
})
