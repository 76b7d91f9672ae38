// A pipeline that has come to its end, and is run again: as it was, with more stages or others, counted and measured otherwise.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compress } from 'tongueforge'
import { tinyPipelines } from '../helpers/tiny_compression.mjs'

const { given, recovers, configOf, compressed } = await tinyPipelines()
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))

test('what is appended to a finished pipeline goes on from its result', async () => {
  const first = await compressed({ stages: recovers.slice(0, 1) })
  const events = []
  const run = compress({ ...configOf(), out: first.out }, { resume: true })
  for await (const event of run) events.push(event)
  const { report, model } = await run.result
  assert.equal(report.resumed_after, '01-recover')
  assert.deepEqual(
    events.filter(({ event }) => event === 'stage').map(({ stage }) => stage),
    ['02-recover'],
  )
  const whole = await compressed()
  assert.deepEqual(weights(model), weights(whole.model))
  assert.deepEqual(
    report.stages.map(({ loss }) => loss),
    whole.report.stages.map(({ loss }) => loss),
  )
})

test('a finished pipeline is not done again; a changed stage is, and those after it', async () => {
  const { out, report } = await compressed({ keep: 'all' })
  const again = await compress({ ...configOf({ keep: 'all' }), out }, { resume: true }).result
  assert.deepEqual(again.report, report)
  const changed = [recovers[0], { ...recovers[1], steps: 2 }]
  const { report: other } = await compress(
    { ...configOf({ keep: 'all' }), out, stages: changed },
    { resume: true },
  ).result
  assert.equal(other.resumed_after, '01-recover')
  assert.equal(other.stages[2].figures.steps, 2)
  assert.deepEqual(other.stages[1], report.stages[1])
  assert.notEqual(other.inputs_sha256, report.inputs_sha256)
  const first = [{ ...recovers[0], steps: 5 }, changed[1]]
  const all = await compress({ ...configOf({ keep: 'all' }), out, stages: first }, { resume: true }).result
  assert.equal(all.report.resumed_after, undefined)
  assert.notEqual(all.report.inputs_sha256, other.inputs_sha256)
  assert.deepEqual(
    all.report.stages.map(({ figures }) => figures?.steps),
    [undefined, 5, 2],
  )
})

test('a session deletes the models that the one before it was killed too early to delete', async () => {
  const { out } = await compressed({ keep: 'all' })
  const models = ['01-recover', '02-recover'].map((name) => join(out, 'stages', name, 'model'))
  const left = () => models.map((place) => existsSync(place))
  assert.deepEqual(left(), [true, true])
  await compress({ ...configOf({ keep: 'last' }), out }, { resume: true }).result
  assert.deepEqual(left(), [false, false])
})

test('a finished run that is asked to count and measure otherwise tells no more what it told', async () => {
  const stages = [{ method: 'rows', criterion: 'l1', keep: 16 }]
  const { out, report: before } = await compressed({ stages })
  const evaluate = { ...given.evaluate, sequence_length: 32 }
  const other = { ...given, stages, out, evaluate, macs_tokens: 64 }
  const { report, model } = await compress(other, { resume: true }).result
  assert.deepEqual(
    report.stages.map(({ macs, loss }) => [macs.tokens, loss]),
    [
      [64, undefined],
      [64, undefined],
    ],
  )
  assert.equal(before.stages[1].macs.tokens, 512)
  assert.deepEqual(json(model, 'report.json'), json(out, 'report.json'))
  assert.equal(json(out, 'report.json').stages[1].macs.tokens, 64)
  const again = await compress(other, { resume: true }).result
  assert.deepEqual(again.report, report) // nothing new: what was told then
})

test('losses on other texts are left out of what goes on', async () => {
  const { out } = await compressed({ stages: recovers.slice(0, 1) })
  const warnings = []
  const onWarning = (text) => warnings.push(text)
  const evaluate = { ...given.evaluate, sequence_length: 32 }
  const { report } = await compress({ ...configOf({ evaluate }), out }, { resume: true, onWarning }).result
  assert.deepEqual(
    report.stages.map(({ loss, perplexity }) => [loss === undefined, perplexity === undefined]),
    [
      [true, true],
      [true, true],
      [false, false],
    ],
  )
  assert.deepEqual(warnings, [
    'the losses of 2 finished stages were measured on other texts: they are left out',
  ])
})
