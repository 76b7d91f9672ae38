// Held-out loss of several sources: each alone and all together, in metrics, report and curves.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const metrics = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('held-out data', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const [taught, first, second] = ['taught', 'first', 'second'].map((name) => join(root, `${name}.jsonl`))
  let made = 0
  const config = (objective, held, changes = {}) => ({
    objective,
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: taught }],
    eval: { every: 2, data: held.map((source) => (typeof source === 'string' ? { path: source } : source)) },
    sequence_length: 48,
    batch_size: 2,
    steps: 2,
    threads: 1,
    ...changes,
  })
  const measured = async (objective, held, changes) => {
    const options = config(objective, held, changes)
    const { report } = await train(options).result
    return { report, line: metrics(options.out).at(-1) }
  }

  before(async () => {
    await writeTinyModel(model)
    const records = new World(1).questions('fact').map(({ prompt, answer }) => ({
      prompt,
      chosen: answer,
      rejected: 'the mira is the mira .',
    }))
    const write = (file, part) =>
      writeFileSync(file, part.map((record) => `${JSON.stringify(record)}\n`).join(''))
    write(taught, records.slice(20))
    write(first, records.slice(0, 5))
    write(second, records.slice(5, 20))
  })

  test('each source has the loss that it has alone, and the whole is the mean over all targets', async () => {
    // One length of documents and whole ones: the counts are those of the files.
    const [one, other, both] = [
      await measured('dpo', [first]),
      await measured('dpo', [second]),
      await measured('dpo', [first, second]),
    ]
    const [a, b] = [one, other].map(({ line }) => line.eval_loss)
    assert.deepEqual(both.line.eval_losses, { [first]: a, [second]: b })
    assert.notEqual(a, b)
    assert.ok(Math.abs(both.line.eval_loss - (5 * a + 15 * b) / 20) < 1e-12)
    assert.ok(
      Math.abs(both.line.eval_margin - (5 * one.line.eval_margin + 15 * other.line.eval_margin) / 20) < 1e-12,
    )
    assert.deepEqual(both.report.eval_losses, both.line.eval_losses)
    assert.equal(both.report.eval_loss, both.line.eval_loss)
  })

  test('a source counts as often as its weight says', async () => {
    const { line } = await measured('dpo', [{ path: first, weight: 3 }, second])
    const [a, b] = Object.values(line.eval_losses)
    assert.ok(Math.abs(line.eval_loss - (15 * a + 15 * b) / 30) < 1e-12)
  })

  test('a file that stands twice has two names, and a single one is listed too', async () => {
    const twice = await measured('dpo', [first, first])
    const [name, again] = Object.keys(twice.line.eval_losses)
    assert.deepEqual([name, again], [first, `${first} (2)`])
    assert.equal(twice.line.eval_losses[name], twice.line.eval_losses[again])
    const alone = await measured('dpo', [first])
    assert.deepEqual(alone.line.eval_losses, { [first]: alone.line.eval_loss })
  })

  test('a source in which nothing is to learn has no loss, and does not spoil the whole', async () => {
    const long = join(root, 'long.jsonl')
    const words = 'the color of anna is red . '.repeat(20)
    writeFileSync(long, `${JSON.stringify({ prompt: words, chosen: 'red', rejected: 'blue' })}\n`)
    const { line } = await measured('dpo', [long, second])
    assert.deepEqual(Object.keys(line.eval_losses), [second])
    assert.equal(line.eval_loss, line.eval_losses[second])
  })

  test('its going on is told, each evaluation to its end', async () => {
    const told = []
    const { steps, ...options } = config('dpo', [first, second], { dpo: { loss: 'simpo' } })
    await train({ ...options, steps }, { onProgress: (work) => told.push(work) }).result
    const ends = told.filter(({ done, total }) => done === total)
    assert.deepEqual(
      ends.map(({ label }) => label),
      ['evaluate', 'evaluate'], // before the first update and after the last
    )
    assert.ok(told.length > ends.length)
  })
})
