// Pruning while training: what is zero and when, what is told of it, and that a run cut anywhere ends as one that was
// left alone.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { spikeLimit } from '#lib/verbs/training/anomalies'
import { anomalousTraining } from '../helpers/anomalous_training.mjs'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { countZeros, prunableArrays, pruneThirds, zeroPlaces } from '../helpers/pruned_models.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const { init: _, ...tiny } = await tinyTraining(home, { steps: 24 })
const model = await writeTinyModel(join(home, 'model'), { width: 32 })
const PRUNABLE = 2 * (4 * 32 * 32 + 3 * 32 * 128)
const TARGETS = { schedule: 'targets', targets: [0.25, 0.5, 0.8], start: 4, every: 6 }
const config = {
  ...tiny,
  model,
  accumulation: 1,
  optimizer: { lr: 3e-3, weight_decay: 0.1 },
  eval: { every: 6, data: tiny.eval.data },
  checkpoint: { every: 5 },
}
let runs = 0
const newRun = (changes = {}) => ({ ...config, ...changes, out: join(home, `run-${runs++}`) })
const finish = async (options, more = {}) => (await train(options, more).result).report
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const metrics = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const modelOf = ({ out }) => join(out, 'model')
/** One that knows the text: pruning takes something from it. */
const learned = await train(newRun({ steps: 60, optimizer: { lr: 1e-2 }, eval: undefined })).result

/** What a line tells that does not depend on the time. */
const lasting = ({ step, loss, grad_norm, eval_loss, sparsity, pruned_to, prune_postponed, smooth_loss }) =>
  ({ step, loss, grad_norm, eval_loss, sparsity, pruned_to, prune_postponed, smooth_loss }) // biome-ignore format: one thought

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

test('targets: exact zeros at each, told by every line and the report, and in the result', async () => {
  const options = newRun({ pruning: TARGETS })
  const report = await finish(options)
  const zeros = TARGETS.targets.map((share) => Math.round(share * PRUNABLE))
  const expected = (step) => [0, ...zeros][step > 16 ? 3 : step > 10 ? 2 : step > 4 ? 1 : 0] / PRUNABLE
  for (const line of metrics(options)) {
    assert.equal(line.sparsity, expected(line.step), `step ${line.step}`)
    assert.equal(line.pruned_to, { 5: 0.25, 11: 0.5, 17: 0.8 }[line.step], `step ${line.step}`)
  }
  assert.deepEqual(countZeros(modelOf(options)), { total: PRUNABLE, zeros: zeros[2] })
  assert.deepEqual(report.masks, { prunable: PRUNABLE, zeros: zeros[2], sparsity: zeros[2] / PRUNABLE })
  const evaluated = Object.fromEntries(metrics(options).map(({ step, eval_loss }) => [step, eval_loss]))
  assert.deepEqual(report.pruning, {
    targets: [
      { step: 4, target: 0.25, zeros: zeros[0], eval_loss: evaluated[6] },
      { step: 10, target: 0.5, zeros: zeros[1], eval_loss: evaluated[12] },
      { step: 16, target: 0.8, zeros: zeros[2], eval_loss: evaluated[24] },
    ],
    postponed: [],
    unreached: [],
  })
})

test('each scope leaves the zeros that its plan foretold', async () => {
  for (const scope of ['layer', 'row']) {
    const options = newRun({ pruning: { ...TARGETS, targets: [0.33, 0.77], scope }, steps: 14 })
    const { plan } = await finish(options, { dryRun: true })
    assert.deepEqual([plan.pruning.prunable, plan.pruning.reached], [PRUNABLE, 2])
    await finish(options)
    assert.equal(countZeros(modelOf(options)).zeros, plan.pruning.targets[1].weights)
    if (scope === 'layer')
      for (const [name, numbers] of Object.entries(prunableArrays(modelOf(options))))
        assert.equal(numbers.filter((value) => value === 0).length, Math.round(0.77 * numbers.length), name)
  }
})

test('cubic in bfloat16, through adafactor and activation checkpointing: every zero is exact in the saved model', async () => {
  const options = newRun({
    pruning: { schedule: 'cubic', final: 0.9, every: 3 },
    dtype: 'bfloat16',
    optimizer: { kind: 'adafactor', lr: 3e-3, weight_decay: 0.1 },
    activation_checkpointing: 'block',
    accumulation: 2,
  })
  const report = await finish(options)
  assert.deepEqual(report.pruning.targets.map(({ step }) => step), [3, 6, 9, 12, 15, 18]) // biome-ignore format: one thought
  assert.equal(countZeros(modelOf(options)).zeros, Math.round(0.9 * PRUNABLE))
})

describe('a run that is cut', async () => {
  // With a gate that lets the second target wait, and an evaluation that is where a pruning is.
  const pruning = { ...TARGETS, targets: [0.3, 0.7], gate: { factor: 0.5, lookback: 3, tolerance: 0.05 } }
  const whole = newRun({ pruning })
  const report = await finish(whole)
  const told = (options) => metrics(options).map(lasting)

  test('the gate lets the second target wait, and says so', () => {
    assert.equal(report.pruning.targets[0].step, 4)
    const [{ step, target, kept, average }] = report.pruning.postponed
    assert.deepEqual([step, target], [10, 0.7])
    assert.ok(kept - 0.05 > average)
    const line = metrics(whole)[10]
    assert.equal(line.prune_postponed, 0.7)
    assert.ok(!('pruned_to' in line))
    assert.equal(metrics(whole)[9].smooth_loss, average)
  })

  test('ends with the same bytes and lines wherever it was cut', async () => {
    for (let count = 1; count < config.steps; count++) {
      const options = newRun({ pruning, checkpoint: { every: 5, async: count % 2 === 0 } })
      await stopAfter(options, count)
      const resumed = await finish(options, { resume: true })
      assert.ok(weights(options).equals(weights(whole)), `cut after ${count}: other weights`)
      assert.deepEqual(told(options), told(whole), `cut after ${count}`)
      assert.deepEqual(resumed.pruning, report.pruning, `cut after ${count}`)
      assert.deepEqual(resumed.masks, report.masks, `cut after ${count}`)
    }
  })

  test('by force goes on from whichever checkpoint is left, prunes again what came after, and ends the same', async () => {
    const kept = newRun({ pruning, checkpoint: { every: 3, keep: 99 } })
    await finish(kept)
    const names = readdirSync(join(kept.out, 'checkpoints'))
    assert.deepEqual(names.map((name) => Number(name.slice(5))), [3, 6, 9, 12, 15, 18, 21]) // biome-ignore format: one thought
    for (const [i, name] of names.entries()) {
      const options = newRun({ pruning })
      cpSync(kept.out, options.out, { recursive: true })
      for (const gone of ['model', 'report.json', ...names.slice(i + 1).map((one) => `checkpoints/${one}`)])
        rmSync(join(options.out, gone), { recursive: true })
      assert.equal((await finish(options, { resume: true })).resumed_from, Number(name.slice(5)))
      assert.ok(weights(options).equals(weights(whole)), `from ${name}: other weights`)
      assert.deepEqual(told(options), told(whole), name)
    }
  })

  test('is not gone on with under another schedule', async () => {
    const options = newRun({ pruning })
    await stopAfter(options, 6)
    const other = { ...options, pruning: { ...pruning, targets: [0.3, 0.8] } }
    await assert.rejects(finish(other, { resume: true }), { code: 'ERR_CHECKPOINT' })
  })
})

describe('keep_zeros', () => {
  test('of a dense model training is what it was, to the bit', async () => {
    const [plain, keeping] = [newRun(), newRun({ keep_zeros: true })]
    await finish(plain)
    const { masks } = await finish(keeping)
    assert.ok(weights(keeping).equals(weights(plain)))
    assert.deepEqual(masks, { prunable: PRUNABLE, zeros: 0, sparsity: 0 })
    assert.deepEqual(
      metrics(keeping).map(({ loss, grad_norm }) => [loss, grad_norm]),
      metrics(plain).map(({ loss, grad_norm }) => [loss, grad_norm]),
    )
  })

  test('of a pruned model its zeros stay, and no others come; without it they fill up; resumed as well', async () => {
    const pruned = await writeTinyModel(join(home, 'pruned'), { width: 32 })
    pruneThirds(pruned)
    const [keeping, filling] = [newRun({ model: pruned, keep_zeros: true }), newRun({ model: pruned })]
    const { masks } = await finish(keeping)
    assert.equal(masks.zeros, countZeros(pruned).zeros)
    assert.deepEqual(zeroPlaces(modelOf(keeping)), zeroPlaces(pruned))
    await finish(filling)
    assert.ok(countZeros(modelOf(filling)).zeros < 10)
    const cut = newRun({ model: pruned, keep_zeros: true })
    await stopAfter(cut, 7)
    await finish(cut, { resume: true })
    assert.ok(weights(cut).equals(weights(keeping)))
  })

  test('pruning goes on from the zeros that are there', async () => {
    const pruned = await writeTinyModel(join(home, 'pruned_on'), { width: 32 })
    pruneThirds(pruned)
    const options = newRun({ model: pruned, keep_zeros: true, pruning: { ...TARGETS, targets: [0.2, 0.5] } })
    const report = await finish(options)
    assert.deepEqual(report.pruning.targets.map(({ zeros }) => zeros), [countZeros(pruned).zeros, PRUNABLE / 2]) // biome-ignore format: one thought
    const after = zeroPlaces(modelOf(options))
    for (const place of zeroPlaces(pruned)) assert.ok(after.has(place), place)
  })

  test('beside an adapter that is kept apart there is nothing to do', async () => {
    const lora = { rank: 2, merge: false }
    const options = newRun({ lora, keep_zeros: true, eval: undefined, steps: 2 })
    assert.deepEqual((await finish(options)).masks, { prunable: 0, zeros: 0, sparsity: 0 })
  })
})

test('a rollback takes a pruning back with the weights, and the run prunes again', async () => {
  const anomalous = await anomalousTraining(join(home, 'anomalous'), { places: [100, 250] })
  // Up to the first batch that is refused nothing depends on pruning but the numbers.
  const changes = { anomaly: { non_finite: 'rollback', rollback: { back: 3, max: 9 } } }
  const pruning = { ...TARGETS, start: 0, every: 2, targets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] }
  const options = { ...anomalous, ...changes, pruning, out: join(home, `run-${runs++}`) }
  const report = await finish(options, { onWarning: () => {} })
  const { back_to, step } = report.anomalies[0]
  assert.ok(back_to < 16 && step > back_to + 2, 'it went back over a pruning')
  const steps = pruning.targets.map((_, i) => 2 * i)
  assert.deepEqual(report.pruning.targets.map((one) => one.step), steps) // biome-ignore format: one thought
  assert.equal(countZeros(modelOf(options)).zeros, Math.round(0.8 * PRUNABLE))
  for (const line of metrics(options)) {
    const share = pruning.targets[Math.min(Math.floor((line.step - 1) / 2), 7)]
    assert.equal(line.sparsity, Math.round(share * PRUNABLE) / PRUNABLE, `step ${line.step}`)
  }
  const again = { ...options, out: join(home, `run-${runs++}`) }
  await stopAfter(again, step + 2, { onWarning: () => {} })
  await finish(again, { resume: true, onWarning: () => {} })
  assert.ok(weights(again).equals(weights(options)))
})

test('after a pruning the losses before it make no spike of the next ones', async () => {
  const anomaly = { spike: 'stop', factor: 10, window: 5 }
  const options = newRun({
    model: learned.model,
    pruning: { ...TARGETS, targets: [0.9], start: 14 },
    anomaly,
  })
  await finish(options)
  const losses = metrics(options).map(({ loss }) => loss)
  assert.ok(losses[14] > spikeLimit(losses.slice(9, 14), anomaly.factor), 'the loss did jump')
})

test('the best weights are the best of those at the last target, and their checkpoint stays', async () => {
  // The rate rises until the loss does again, so that the best is not the last; the dense model was better than both.
  const pruning = { ...TARGETS, targets: [0.5, 0.98], start: 4, every: 4 }
  const changes = { result: 'best', eval: { ...config.eval, every: 2 }, checkpoint: { every: 0 } }
  const learning = { optimizer: { lr: 0.15 }, schedule: { kind: 'constant', warmup: 24 } }
  const options = newRun({ model: learned.model, pruning, ...changes, ...learning })
  const report = await finish(options)
  const after = metrics(options).filter(({ step, eval_loss }) => step > 8 && eval_loss !== undefined)
  const best = after.reduce((a, b) => (b.eval_loss < a.eval_loss ? b : a))
  assert.ok(best.step < config.steps)
  assert.equal(report.result_step, best.step)
  assert.equal(report.eval_loss, best.eval_loss)
  assert.ok(Math.min(...metrics(options).flatMap(({ eval_loss = [] }) => eval_loss)) < best.eval_loss)
  assert.equal(countZeros(modelOf(options)).zeros, Math.round(0.98 * PRUNABLE))
  assert.equal(report.masks.zeros, Math.round(0.98 * PRUNABLE))
})

test('patience begins after the last target', async () => {
  const evaluation = { ...config.eval, every: 1, patience: 2, min_delta: 100 } // nothing is ever better
  const options = newRun({ pruning: { ...TARGETS, targets: [0.3, 0.6] }, eval: evaluation })
  const report = await finish(options)
  assert.equal(report.stopped_at, 10 + 3) // the first after the last target is the one that is not beaten
  assert.ok(readdirSync(modelOf(options)).includes('model.safetensors'))
})

describe('what is told before', () => {
  test('a dry run has the table of targets, and the masks count in memory and checkpoints', async () => {
    const { plan } = await finish(newRun({ pruning: TARGETS }), { dryRun: true })
    const { plan: dense } = await finish(newRun(), { dryRun: true })
    assert.deepEqual(plan.pruning.targets[1], { step: 10, sparsity: 0.5, weights: PRUNABLE / 2 })
    assert.equal(plan.checkpoint_bytes - dense.checkpoint_bytes, PRUNABLE)
    assert.equal(plan.memory_bytes - dense.memory_bytes, PRUNABLE)
    assert.equal(dense.pruning, undefined)
  })

  test('the command prints the schedule as a table, and warns of a run that is too short', async () => {
    const args = ['train', join(home, 'config.yaml'), '--dry-run']
    writeFileSync(args[1], JSON.stringify({ ...newRun({ pruning: TARGETS }), steps: 12 }))
    const { code, out, err } = await cli(args)
    assert.equal(code, 0, err)
    assert.match(out, /step +sparsity +weights\n/)
    assert.match(out, /10 +0\.5 +16384\n/)
    assert.match(err, /2 of 3 targets lie within the run: the result will have 0.5/)
  })

  test('where all linear layers are frozen there is nothing to prune', async () => {
    const freeze = ['*_proj.weight']
    await assert.rejects(finish(newRun({ pruning: TARGETS, freeze })), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /pruning: expected linear layers in blocks that are trained/)
      assert.match(error.hint, /fewer parameters in freeze/)
      return true
    })
  })
})
