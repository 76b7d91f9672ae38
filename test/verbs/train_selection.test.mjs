// Which checkpoints stay and which weights a run ends with, by the held-out loss.
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { byLoss, isExhausted } from '#lib/verbs/training/selection'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const config = {
  ...(await tinyTraining(home, { steps: 24 })),
  data: [{ path: join(home, 'few.txt') }], // learnt by heart after 14 steps: the held-out loss rises
  optimizer: { lr: 0.006 },
  schedule: { kind: 'constant', warmup: 2 },
  accumulation: 1,
  checkpoint: { every: 9, keep: 1 },
}
const sentences = readFileSync(join(home, 'train.txt'), 'utf8').split('\n\n')
writeFileSync(join(home, 'few.txt'), sentences.slice(0, 6).join('\n\n'))
const evaluation = { every: 2, data: [{ path: join(home, 'held_out.txt') }] }
let runs = 0
const newRun = (changes = {}) => ({
  ...config,
  eval: evaluation,
  ...changes,
  out: join(home, `run-${runs++}`),
})
const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
const checkpoints = ({ out }) => readdirSync(join(out, 'checkpoints'))
const evaluations = ({ out }) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
    .flatMap(({ step, eval_loss }) => (eval_loss === undefined ? [] : [{ step, loss: eval_loss }]))
const folderOf = (step) => `step-${String(step).padStart(8, '0')}`

test('patience counts evaluations in a row that were not better by min_delta', () => {
  const losses = (...all) => all.map((loss, i) => ({ step: i, loss }))
  assert.ok(!isExhausted(losses(9, 3, 2, 1), 1, 0))
  assert.ok(isExhausted(losses(9, 3, 3), 1, 0), 'equal is not better')
  assert.ok(!isExhausted(losses(9, 3, 4, 2), 2, 0), 'begins anew when it got better')
  assert.ok(isExhausted(losses(9, 3, 4, 5), 2, 0))
  assert.ok(isExhausted(losses(9, 3, 2.95, 2.92), 2, 0.1), 'small steps are none')
  assert.ok(!isExhausted(losses(9, 3, 2.95, 2.89), 2, 0.1), 'but they add up')
  assert.ok(!isExhausted(losses(1, 3), 1, 0), 'the loss before the first update is no rival')
  assert.ok(!isExhausted(losses(1, 3, 4, 5), undefined, 0))
  assert.deepEqual(
    byLoss(losses(0, 2, 1, 2, 1)).map(({ step }) => step),
    [2, 4, 1, 3],
  )
})

test('a loss that is no number is the worst, as it is and as a checkpoint has it', () => {
  for (const none of [Number.NaN, null]) {
    const losses = [5, none, 3, none].map((loss, i) => ({ step: 10 * (i + 1), loss }))
    assert.deepEqual(
      byLoss(losses).map(({ step }) => step),
      [30, 10, 20, 40],
    )
    assert.ok(!isExhausted(losses, 2, 0))
    assert.ok(isExhausted(losses, 1, 0), 'it is not better than a number')
  }
})

test('the best checkpoints stay beside the newest, and model/ is the best one', async () => {
  const options = newRun({ checkpoint: { every: 9, keep: 1, keep_best: 2 }, result: 'best' })
  const { model, report } = await train(options).result
  const [best, second] = byLoss(evaluations(options))
  assert.ok(best.step < 18, `the best step is ${best.step}`)
  assert.deepEqual(
    checkpoints(options),
    [...new Set([folderOf(best.step), folderOf(second.step), folderOf(18)])].sort(),
  )
  assert.equal(report.result_step, best.step)
  assert.equal(report.eval_loss, best.loss)
  const kept = readArrays(join(options.out, 'checkpoints', folderOf(best.step), 'state.safetensors'))
  for (const [name, { data }] of Object.entries(readArrays(join(model, 'model.safetensors'))))
    assert.deepEqual(data, kept[`weight.${name}`].data, name)
})

test('without a word the last weights are the result and only the newest checkpoint stays', async () => {
  const options = newRun()
  const { report } = await train(options).result
  assert.deepEqual(checkpoints(options), [folderOf(18)])
  assert.equal(report.result_step, 24)
  assert.equal(report.eval_loss, evaluations(options).at(-1).loss)
})

test('a run without progress ends by itself, with the best weights, also when it is resumed', async () => {
  const options = newRun({ steps: 40, eval: { ...evaluation, patience: 3 } })
  const { model, report } = await train(options).result
  const all = evaluations(options)
  const [best] = byLoss(all)
  assert.equal(report.stopped_at, best.step + 3 * evaluation.every)
  assert.equal(report.stopped_at, all.at(-1).step)
  assert.deepEqual([report.steps, report.result_step], [40, best.step])

  const stopped = newRun({ steps: 40, eval: { ...evaluation, patience: 3 } })
  const stop = new AbortController()
  const run = train(stopped, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === best.step + 3) stop.abort(new Error('enough'))
  }, /enough/)
  const resumed = await train(stopped, { resume: true }).result
  assert.equal(resumed.report.stopped_at, report.stopped_at)
  assert.ok(weights(resumed.model).equals(weights(model)))
})

test('a stop after the last update saves it where another checkpoint becomes the result', async () => {
  const options = newRun({ checkpoint: { every: 0 }, result: 'best' })
  const stop = new AbortController()
  const reason = new Error('enough')
  const run = train(options, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === 24) stop.abort(reason)
    await run.result
  }, reason)
  assert.equal(run.latest.checkpoint.step, 24)
  const [best] = byLoss(evaluations(options))
  assert.deepEqual(checkpoints(options), [folderOf(best.step), folderOf(24)])
  const whole = newRun({ checkpoint: { every: 0 }, result: 'best' })
  const { model, report } = await train(whole).result
  assert.equal(report.result_step, best.step)
  const resumed = await train(options, { resume: true }).result
  assert.equal(resumed.report.resumed_from, 24)
  assert.ok(weights(resumed.model).equals(weights(model)))
})

test('where the best checkpoint is gone, the next best from there on are saved', async () => {
  const options = newRun({ checkpoint: { every: 0 }, result: 'best', steps: 28 })
  const stop = new AbortController()
  const run = train(options, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === 21) stop.abort(new Error('enough'))
  }, /enough/)
  const [gone] = byLoss(evaluations(options))
  rmSync(join(options.out, 'checkpoints', folderOf(gone.step)), { recursive: true })
  const { report } = await train(options, { resume: true }).result
  const [best] = byLoss(evaluations(options).filter(({ step }) => step > 21))
  assert.ok(gone.loss < best.loss && best.step < 28, `${gone.step} ${best.step}`)
  assert.equal(report.result_step, best.step)
})

test('a damaged best checkpoint is told, and the next best is the result', async () => {
  const options = newRun({ checkpoint: { every: 9, keep: 1, keep_best: 2 }, result: 'best' })
  await train(options).result
  const [best, second] = byLoss(evaluations(options))
  rmSync(join(options.out, 'model'), { recursive: true })
  const file = join(options.out, 'checkpoints', folderOf(best.step), 'state.safetensors')
  const bytes = readFileSync(file)
  writeFileSync(file, bytes.fill(7, bytes.length - 4))
  const warnings = []
  const { report } = await train(options, { resume: true, onWarning: (text) => warnings.push(text) }).result
  assert.equal(report.result_step, second.step)
  assert.match(warnings.join('\n'), new RegExp(`${folderOf(best.step)} is damaged`))
})

test('held-out data belong to what a resumed run must share only where they choose the result', async () => {
  const other = join(home, 'other.txt')
  copyFileSync(join(home, 'train.txt'), other)
  for (const [changes, code] of [
    [{}, undefined],
    [{ result: 'best' }, 'ERR_CHECKPOINT'],
  ]) {
    const options = newRun({ ...changes, steps: 8 })
    await train(options).result
    rmSync(join(options.out, 'model'), { recursive: true })
    const resumed = train(
      { ...options, eval: { every: 2, data: [{ path: other }] } },
      { resume: true },
    ).result
    if (code) await assert.rejects(resumed, { code })
    else await resumed
  }
})

test('a choice by a loss that nobody measures is refused', async () => {
  for (const changes of [{ result: 'best' }, { checkpoint: { keep_best: 1 } }])
    await assert.rejects(train(newRun({ eval: undefined, ...changes })).result, {
      code: 'ERR_CONFIG',
      message: /expected eval beside it/,
    })
})
