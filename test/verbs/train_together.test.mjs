// Several processes that train one model: the numbers of one process, and one result.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { metricsOf, ranksOf, trainTogether, updatesOf } from '../helpers/processes.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const config = {
  ...(await tinyTraining(home, { steps: 10 })),
  // Gradients in several buckets; rows of an update that four processes share: 2 each.
  ...{ batch_size: 2, accumulation: 4, distributed: { bucket_mb: 0.05 } },
  checkpoint: { every: 5, keep: 9 },
}
let runs = 0
const newRun = (changes = {}) => ({ ...config, ...changes, out: join(home, `run-${runs++}`) })

const alone = newRun()
await train(alone).result

/** Losses within 1e-5 of each other; weights too, but for the few whose gradient is noise: Adam makes it a step. */
function assertSame(a, b) {
  const [of, other] = [metricsOf(a), metricsOf(b)]
  assert.equal(of.length, other.length)
  for (const [i, { loss, grad_norm, tokens, eval_loss }] of of.entries()) {
    assert.ok(Math.abs(loss / other[i].loss - 1) < 1e-5, `loss ${loss} and ${other[i].loss} of step ${i + 1}`)
    assert.ok(Math.abs(grad_norm / other[i].grad_norm - 1) < 1e-4)
    assert.equal(tokens, other[i].tokens)
    if (eval_loss) assert.ok(Math.abs(eval_loss / other[i].eval_loss - 1) < 1e-5)
  }
  const [weights, others] = [a, b].map(({ out }) => readArrays(join(out, 'model/model.safetensors')))
  assert.deepEqual(Object.keys(weights).sort(), Object.keys(others).sort())
  for (const [name, { data }] of Object.entries(weights)) {
    const distances = data.map((value, i) => Math.abs(value - others[name].data[i]))
    const mean = distances.reduce((sum, distance) => sum + distance, 0) / data.length
    assert.ok(mean < 1e-6, `${name}: ${mean}`)
  }
}

const stateOf = ({ out }, step) =>
  readArrays(join(out, `checkpoints/step-${String(step).padStart(8, '0')}/state.safetensors`))

for (const processes of [2, 4]) {
  test(`${processes} processes train as one does, and rank 0 alone tells of it`, async () => {
    const together = newRun()
    const { code, out, err } = await trainTogether(home, processes, together)
    assert.equal(code, 0, err)
    assertSame(alone, together)
    const { report } = JSON.parse(out)
    assert.equal(report.tokens, JSON.parse(readFileSync(join(alone.out, 'report.json'))).tokens)
    assert.equal(err.trim().split('\n').length, 10, 'one line a step')
    assert.deepEqual(readdirSync(together.out).sort(), readdirSync(alone.out).sort())
  })
}

test('with zero: 1 the moments are shared out, numbers and checkpoints are those of one process', async () => {
  const shared = newRun({ distributed: { ...config.distributed, zero: 1 } })
  const { code, err } = await trainTogether(home, 2, shared)
  assert.equal(code, 0, err)
  assertSame(alone, shared)
  const [state, other] = [stateOf(shared, 5), stateOf(alone, 5)]
  assert.deepEqual(Object.keys(state), Object.keys(other))
  for (const [name, { shape, data }] of Object.entries(state)) {
    assert.deepEqual(shape, other[name].shape)
    const far = data.filter((value, i) => Math.abs(value - other[name].data[i]) > 1e-4)
    assert.ok(far.length <= data.length / 100, name)
  }
})

test('SIGTERM to one stops all at one update; the same number goes on exactly, another to the last digits', async () => {
  const [stopped, whole] = [newRun({ steps: 12 }), newRun({ steps: 12 })]
  const first = await trainTogether(home, 2, stopped, {
    onStart: async (launcher) => {
      await updatesOf(stopped, 3)
      process.kill(ranksOf(launcher)[1], 'SIGTERM')
    },
  })
  assert.equal(first.code, 75, first.err)
  const { error } = JSON.parse(first.out)
  assert.equal(error.code, 'ERR_INTERRUPTED')
  const at = error.details.step
  assert.ok(at >= 3 && at < 12, `stopped at ${at}`)
  assert.equal(metricsOf(stopped).length, at)

  const copy = { ...stopped, out: `${stopped.out}-copy` }
  cpSync(stopped.out, copy.out, { recursive: true })
  assert.equal((await trainTogether(home, 2, whole)).code, 0)
  assert.equal((await trainTogether(home, 2, stopped, { args: ['--resume'] })).code, 0)
  const model = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
  assert.ok(model(stopped).equals(model(whole)), 'the bytes of a run that was never stopped')

  let said = ''
  const { report } = await train(copy, {
    resume: true,
    onWarning: (message) => {
      said += message
    },
  }).result
  assert.equal(report.resumed_from, at)
  assert.match(said, /processes 2 -> 1\): the result will be as good/)
  assertSame(whole, copy)
})

test('rank 0 decides when a run ends early, and all end', async () => {
  const patient = () =>
    newRun({
      steps: 40,
      optimizer: { lr: 1e-9 }, // nothing gets better
      eval: { ...config.eval, every: 2, patience: 2, min_delta: 0.5 },
    })
  const { report: expected } = await train(patient()).result
  const { code, out, err } = await trainTogether(home, 2, patient())
  assert.equal(code, 0, err)
  const { report } = JSON.parse(out)
  assert.ok(report.stopped_at < 10)
  assert.equal(report.stopped_at, expected.stopped_at)
  assert.equal(report.result_step, expected.result_step)
})

test('more processes than rows, a state that cannot be shared out and another config are refused', async () => {
  const few = newRun({ batch_size: 1, accumulation: 1 })
  const { code, err } = await trainTogether(home, 2, few)
  assert.equal(code, 2)
  assert.match(err, /a row of each update for each of 2 processes, received 1 x accumulation 1 = 1/)
  const factored = newRun({ optimizer: { kind: 'adafactor' }, distributed: { zero: 1 } })
  const refused = await trainTogether(home, 2, factored)
  assert.equal(refused.code, 2)
  assert.match(refused.err, /distributed.zero: expected 0 with optimizer.kind adafactor, received 1/)
})
