// Fine-tuning and preferences against TRL: whole runs from records to metrics on a tiny Llama, ten updates each.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { train } from '#lib/verbs/train'
import { writeTokenizer } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { trlReference } from '../helpers/reference.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const TOLERANCE = 1e-4
const STEPS = 10
const RECORDS = 8
const LR = 1e-3

// Ours cuts by rendering; TRL wants the answers marked, from their first letter.
const MARKED_TEMPLATE = [
  '{{- bos_token -}}',
  '{%- for message in messages -%}',
  "{%- if message['role'] == 'assistant' -%}",
  "{{- '<assistant> ' -}}{%- generation -%}{{- message['content'] + ' <eot>' -}}{%- endgeneration -%}",
  "{%- else -%}{{- '<' + message['role'] + '> ' + message['content'] + ' <eot>' -}}{%- endif -%}",
  '{%- endfor -%}',
  "{%- if add_generation_prompt -%}{{- '<assistant>' -}}{%- endif -%}",
].join('\n')

describe('TRL', () => {
  const root = temporaryFolder()
  const model = join(root, 'model')
  const turn = (role, content) => ({ role, content })
  const world = new World(1)
  // Of two lengths, so that a mean of means would show.
  const questions = [...world.questions('fact').slice(0, 6), ...world.questions('list').slice(0, 2)]
  const data = {
    sft: questions.map(({ prompt, answer }) => ({
      messages: [turn('user', prompt), turn('assistant', answer)],
    })),
    dpo: questions.map(({ prompt, answer }, i) => ({
      prompt: [turn('user', prompt)],
      chosen: [turn('assistant', answer)],
      rejected: [turn('assistant', i % 2 ? 'the mira is the mira .' : 'sorry i can not help you .')],
    })),
  }
  let made = 0

  before(async () => {
    await writeTinyModel(model)
    await writeTokenizer(model, { endOfTurn: true })
    for (const [name, records] of Object.entries(data))
      writeFileSync(join(root, `${name}.jsonl`), records.map((record) => JSON.stringify(record)).join('\n'))
  })

  /** The metrics of a run whose updates each see all records, in `accumulation` micro-batches of rows of a length. */
  async function ours(objective, { rowLength, accumulation, dpo = {} }) {
    const out = join(root, `run-${made++}`)
    const config = {
      objective,
      model,
      out,
      data: [{ path: join(root, `${objective}.jsonl`) }],
      sequence_length: rowLength,
      batch_size: 1,
      steps: STEPS,
      dpo,
      optimizer: { lr: LR, weight_decay: 0.01, betas: [0.9, 0.95] },
      schedule: { kind: 'constant', warmup: 0 },
      threads: 1,
    }
    const { report } = await train(config, { dryRun: true }).result
    const rows = report.plan.data.rows_per_epoch
    assert.equal(rows % accumulation, 0, `${rows} rows in ${accumulation} micro-batches`)
    await train({ ...config, batch_size: rows / accumulation, accumulation }).result
    const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
    return { rows, metrics: lines.map((line) => JSON.parse(line)) }
  }

  const theirs = (kind, records, { accumulation, options, template }) =>
    trlReference([kind, model], {
      records,
      template,
      options,
      steps: STEPS,
      rows: RECORDS / accumulation,
      accumulation,
      lr: LR,
    })

  function assertSame(metrics, expected, names) {
    for (const [ourName, theirName] of Object.entries(names)) {
      const values = metrics.map((line) => line[ourName])
      assertClose(values, expected[theirName], TOLERANCE, ourName)
    }
  }

  const STEP = { loss: 'losses', grad_norm: 'grad_norms' }
  const REWARDS = { chosen_reward: 'chosen_rewards', rejected_reward: 'rejected_rewards' }

  for (const accumulation of [1, 4]) {
    test(`sft: losses and gradient norms, ${accumulation} micro-batches, packed and not`, async () => {
      const options = { assistant_only_loss: true, max_length: 64, packing: false }
      const expected = await theirs('sft', data.sft, { accumulation, options, template: MARKED_TEMPLATE })
      const unpacked = await ours('sft', { rowLength: 24, accumulation })
      assert.equal(unpacked.rows, RECORDS, 'one conversation a row')
      assertSame(unpacked.metrics, expected, STEP)
      const packed = await ours('sft', { rowLength: 40, accumulation })
      assert.equal(packed.rows, RECORDS / 2)
      assertSame(packed.metrics, expected, STEP)
    })
  }

  for (const loss of ['sigmoid', 'hinge', 'ipo']) {
    for (const accumulation of [1, 4]) {
      test(`dpo, ${loss}: losses, rewards and gradient norms, ${accumulation} micro-batches`, async () => {
        const options = { loss_type: [loss], beta: 0.3, max_length: null }
        const expected = await theirs('dpo', data.dpo, { accumulation, options })
        const dpo = { loss, beta: 0.3 }
        const unpacked = await ours('dpo', { rowLength: 44, accumulation, dpo })
        assert.equal(unpacked.rows, RECORDS, 'one pair a row')
        assertSame(unpacked.metrics, expected, { ...STEP, ...REWARDS })
        const packed = await ours('dpo', { rowLength: 80, accumulation, dpo })
        assert.equal(packed.rows, RECORDS / 2)
        assertSame(packed.metrics, expected, { ...STEP, ...REWARDS })
      })
    }
  }

  test('dpo, simpo: losses, rewards and gradient norms', async () => {
    const options = { loss_type: 'simpo', beta: 2, simpo_gamma: 1, cpo_alpha: 0, max_length: 256 }
    const expected = await theirs('simpo', data.dpo, { accumulation: 1, options })
    const dpo = { loss: 'simpo', beta: 2, gamma: 1 }
    const { metrics } = await ours('dpo', { rowLength: 80, accumulation: 1, dpo })
    assertSame(metrics, expected, { ...STEP, ...REWARDS })
  })
})
