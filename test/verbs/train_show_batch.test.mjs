// What a dry run shows of the first batch is what the first update learns.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { World } from '#lib/world/world'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('the shown batch', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const records = join(root, 'records.jsonl')
  const config = (objective, changes = {}) => ({
    objective,
    model,
    out: join(root, `run-${objective}`),
    data: [{ path: records }],
    sequence_length: 64,
    batch_size: 3,
    steps: 1,
    threads: 1,
    ...changes,
  })
  const sum = (rows, key) =>
    rows.flatMap(({ documents }) => documents).reduce((total, document) => total + document[key], 0)
  const textOf = ({ pieces }, wanted) =>
    pieces.map(({ text, trained }) => (trained === wanted ? text : '')).join('')

  before(async () => {
    await writeTinyModel(model)
    const talks = new World(1).questions('fact').map(({ prompt, answer }) => ({
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: answer },
      ],
    }))
    writeFileSync(records, talks.map((talk) => `${JSON.stringify(talk)}\n`).join(''))
  })

  for (const objective of ['inscp', 'sft']) {
    test(`${objective}: has the targets of the first update, and nothing was trained or written`, async () => {
      const settings = config(objective)
      const { report } = await train(settings, { showBatch: true }).result
      assert.equal(report.dry_run, true)
      assert.ok(!existsSync(settings.out))
      const rows = report.batch
      assert.equal(rows.length, 3)
      for (const row of rows) assert.equal(sum([row], 'tokens') + row.padding, 64)

      await train(settings).result
      const [line] = readFileSync(join(settings.out, 'metrics.jsonl'), 'utf8').split('\n')
      assert.equal(sum(rows, 'trained'), JSON.parse(line).tokens)
    })
  }

  test('sft learns the answer with its end and only reads the question', async () => {
    const { report } = await train(config('sft', { out: join(root, 'none') }), { showBatch: true }).result
    const lines = readFileSync(records, 'utf8').trimEnd().split('\n')
    const answers = lines.map((line) => JSON.parse(line).messages[1].content)
    for (const document of report.batch.flatMap(({ documents }) => documents)) {
      const learnt = textOf(document, true).trim()
      assert.ok(
        answers.some((answer) => learnt === `${answer} <eot>`),
        learnt,
      )
      assert.ok(!textOf(document, false).includes(learnt))
    }
  })

  test('a dry run without the wish has no batch', async () => {
    const { report } = await train(config('sft', { out: join(root, 'none') }), { dryRun: true }).result
    assert.deepEqual(Object.keys(report), ['dry_run', 'plan'])
  })

  test('the command prints it as text, and as data with --json', async () => {
    const file = join(root, 'config.yaml')
    writeFileSync(file, JSON.stringify(config('sft', { out: join(root, 'none') })))
    const text = await cli(['train', file, '--show-batch'])
    assert.equal(text.code, 0, text.err)
    assert.match(text.out, /^What is learnt stands in ⟦brackets⟧.*\n\nrow 1 of 3: \d+ documents/)
    assert.match(text.out, /\n {2}document 1: \d+ tokens, \d+ learnt\n {2}\| /)
    const both = await cli(['train', file, '--show-batch', '--dry-run'])
    assert.match(both.out, /tokens_per_step +192\n[\s\S]*\n\nWhat is learnt/)
    const json = await cli(['train', file, '--show-batch', '--json'])
    const { batch, plan } = JSON.parse(json.out).report
    assert.equal(batch.length, 3)
    assert.ok(plan.parameters > 0)
  })
})
