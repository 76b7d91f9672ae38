// Checkpoints that are written while training goes on.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const home = temporaryFolder()
const config = { ...(await tinyTraining(home, { steps: 16 })), eval: undefined }
const newRun = (name, async) => ({
  ...config,
  checkpoint: { every: 3, keep: 10, async },
  out: join(home, name),
})
const tensors = (out, ...path) => readFileSync(join(out, ...path, 'state.safetensors'))
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))

test('checkpoints and result have the bytes of a run that waits for its checkpoints', async () => {
  const [waits, goesOn] = [newRun('waits', false), newRun('goes-on', true)]
  const saved = []
  const run = train(goesOn)
  for await (const _ of run) if (run.latest.checkpoint) saved.push(run.latest.checkpoint.step)
  await train(waits).result
  const names = readdirSync(join(waits.out, 'checkpoints'))
  assert.equal(names.length, 5)
  assert.deepEqual(readdirSync(join(goesOn.out, 'checkpoints')), names)
  for (const name of names)
    assert.deepEqual(tensors(goesOn.out, 'checkpoints', name), tensors(waits.out, 'checkpoints', name), name)
  assert.ok(weights(goesOn).equals(weights(waits)))
  assert.deepEqual(
    saved,
    saved.toSorted((a, b) => a - b),
  )
})

test('a save that fails beside the training ends the run with its error; the checkpoint before it is good', async () => {
  const options = newRun('fails', true)
  const [folder, away] = [join(options.out, 'checkpoints'), join(options.out, 'away')]
  const run = train(options)
  await assert.rejects(
    async () => {
      for await (const _ of run) {
        if (run.latest.checkpoint?.step !== 3 || existsSync(away)) continue
        renameSync(folder, away)
        writeFileSync(folder, 'no folder')
      }
    },
    { code: /ERR_(IO|EXISTS|NOT_FOUND)/, message: /checkpoints/ },
  )
  const last = readFileSync(join(options.out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').length
  assert.ok(last < 16, `the run went on to step ${last}`)
  rmSync(folder)
  renameSync(away, folder)
  const { report } = await train(options, { resume: true }).result
  assert.equal(report.resumed_from, 3)
  assert.ok(weights(options).equals(weights(newRun('waits'))))
})

test('stopped by a signal while a copy is being written, the run saves what it has learned since', async () => {
  const options = newRun('stopped', true)
  const stop = new AbortController()
  const run = train(options, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === 4) stop.abort(new Error('enough'))
  }, /enough/)
  assert.ok(run.latest.checkpoint.step >= 4)
  await train(options, { resume: true }).result
  assert.ok(weights(options).equals(weights(newRun('waits'))))
})
