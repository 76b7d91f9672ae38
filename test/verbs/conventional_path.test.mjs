// The conventional path of the papers, small: a language by continual pre-training, manners by SFT, then preferences by
// the recipe.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { inLanguage } from '#lib/world/words'
import { World } from '#lib/world/world'
import { clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const metrics = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

test('cp, sft and dpo in a row: each loss falls, margins grow, and unseen pairs are told apart', async () => {
  const root = temporaryFolder()
  const write = (name, records) => {
    const path = join(root, name)
    writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    return path
  }
  const questions = new World(1).questions('fact')
  const common = { sequence_length: 64, batch_size: 8, steps: 30, threads: 1 }
  const optimizer = { lr: 5e-3 }

  const cp = await train({
    ...common,
    model: await writeTinyModel(join(root, 'base')),
    out: join(root, 'cp'),
    data: [
      {
        path: write(
          'texts.jsonl',
          questions.map(({ answer }) => ({ text: inLanguage(answer, 'b') })),
        ),
      },
    ],
    optimizer,
  }).result
  const turns = ({ prompt, answer }) => [
    { role: 'user', content: prompt },
    { role: 'assistant', content: answer },
  ]
  const sft = await train({
    ...common,
    objective: 'sft',
    model: cp.model,
    out: join(root, 'sft'),
    data: [
      {
        path: write(
          'chats.jsonl',
          questions.map((question) => ({ messages: turns(question) })),
        ),
      },
    ],
    optimizer,
  }).result
  for (const { report } of [cp, sft])
    assert.ok(report.loss < metrics(join(root, report.objective))[0].loss - 1, report.objective)

  // To be learnt: a question in A is answered in B.
  const pairs = questions.map(({ prompt, answer }) => ({
    prompt,
    chosen: inLanguage(answer, 'b'),
    rejected: answer,
  }))
  const heldOut = write('held_out.jsonl', pairs.slice(0, 16))
  const dpo = await train(join(clone, 'recipes/dpo.yaml'), {
    overrides: [
      `model=${sft.model}`,
      `out=${join(root, 'dpo')}`,
      `data.0.path=${write('pairs.jsonl', pairs.slice(16))}`,
      `eval={ every: 40, data: [{ path: ${heldOut} }] }`,
      ...[
        'sequence_length=128',
        'steps=40',
        'accumulation=1',
        'optimizer.lr=1e-3',
        'schedule.warmup=2',
        'threads=1',
      ],
    ],
  }).result
  const lines = metrics(join(root, 'dpo'))
  assert.ok(lines.at(-1).margin > lines[0].margin + 0.5, `margin ${lines.at(-1).margin}`)
  assert.ok(lines.at(-1).eval_accuracy > 0.9, `accuracy ${lines.at(-1).eval_accuracy}`)
  assert.ok(dpo.report.eval_loss < dpo.report.eval_loss_before - 0.2)
  assert.ok(Math.abs(dpo.report.eval_loss_before - Math.log(2)) < 1e-6)
})
