// The picture of a run's losses.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { lossPoints } from '#lib/verbs/training/curves'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const of = (points, series) => points.filter((point) => point.series === series).map(({ x, y }) => [x, y])

test('a short run has a point an update, and its evaluations', () => {
  const points = lossPoints(
    [3, 2, 1],
    [
      { step: 0, loss: 4 },
      { step: 3, loss: 2, losses: { a: 2 } },
    ],
  )
  assert.deepEqual(of(points, 'training'), [
    [1, 3],
    [2, 2],
    [3, 1],
  ])
  assert.deepEqual(of(points, 'held out'), [
    [0, 4],
    [3, 2],
  ])
  assert.equal(points.length, 5, 'a single source is the whole')
})

test('a long run has few points, means over stretches that have every update once', () => {
  const losses = Array.from({ length: 1001 }, (_, i) => i)
  const points = of(lossPoints(losses, []), 'training')
  assert.ok(points.length <= 200 && points.length > 150)
  assert.deepEqual(points[0], [6, 2.5])
  assert.deepEqual(points.at(-1), [1001, (996 + 997 + 998 + 999 + 1000) / 5])
})

test('several sources have a line each, and what is not finite is left out', () => {
  const points = lossPoints([1, Infinity, NaN], [{ step: 3, loss: 2.5, losses: { 'b.txt': 2, 'c.txt': 3 } }])
  assert.deepEqual(of(points, 'training'), [[1, 1]])
  assert.deepEqual([of(points, 'b.txt'), of(points, 'c.txt')], [[[3, 2]], [[3, 3]]])
})

test('curves.svg is there when a run has ended, the same whether it was stopped or not', async () => {
  const root = temporaryFolder()
  const config = await tinyTraining(join(root, 'inputs'), { steps: 12 })
  const [whole, stopped] = ['a', 'b'].map((name) => join(root, name, 'run'))
  await train({ ...config, out: whole }).result
  for await (const { step } of train({ ...config, out: stopped })) if (step === 5) break
  await train({ ...config, out: stopped }, { resume: true }).result
  const picture = readFileSync(join(whole, 'curves.svg'), 'utf8')
  assert.match(picture, /^<svg /)
  for (const word of ['training', 'held out', 'updates', 'loss'])
    assert.ok(picture.includes(`>${word}<`), word)
  assert.ok(readFileSync(join(stopped, 'curves.svg'), 'utf8') === picture)
})

test('a picture that cannot be written does not spoil the run', async () => {
  const root = temporaryFolder()
  const config = await tinyTraining(join(root, 'inputs'), { steps: 2 })
  const out = join(root, 'run')
  for await (const { step } of train({ ...config, out })) if (step === 1) break
  mkdirSync(join(out, 'curves.svg'))
  const warnings = []
  const { model } = await train(
    { ...config, out },
    { resume: true, onWarning: (text) => warnings.push(text) },
  ).result
  assert.ok(readFileSync(join(model, 'model.safetensors')).length > 0)
  assert.match(warnings.at(-1), /run: the run is done, but curves\.svg could not be drawn: .*EISDIR/)
  rmSync(join(out, 'curves.svg'), { recursive: true })
})
