// Learning from preferences, from records to a model that keeps the better answers.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { parse as readYaml } from 'yaml'
import { train } from '#lib/verbs/train'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const metrics = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('dpo', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const [taught, heldOut] = ['taught', 'held_out'].map((name) => join(root, `${name}.jsonl`))
  let made = 0
  const config = (changes = {}) => ({
    objective: 'dpo',
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: taught }],
    eval: { every: 30, data: [{ path: heldOut }] },
    sequence_length: 64,
    batch_size: 4,
    steps: 8,
    dpo: { beta: 0.5 },
    optimizer: { lr: 1e-3 },
    schedule: { warmup: 2 },
    threads: 1,
    ...changes,
  })
  const run = async (options, more) => ({ ...(await train(options, more).result), out: options.out })

  before(async () => {
    await writeTinyModel(model)
    // The better answer says what is true; the worse one always the same.
    const pairs = new World(1)
      .questions('fact')
      .map(({ prompt, answer }) => ({ prompt, chosen: answer, rejected: 'the mira is the mira of mira .' }))
    const write = (file, records) =>
      writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    write(taught, pairs.slice(8))
    write(heldOut, pairs.slice(0, 8))
  })

  for (const loss of ['sigmoid', 'hinge', 'ipo', 'simpo', 'orpo']) {
    test(`${loss}: margins grow, and held-out pairs are told apart`, async () => {
      const { report, out } = await run(config({ steps: 30, dpo: { loss } }))
      const lines = metrics(out)
      assert.ok(lines.at(-1).margin > lines[0].margin, `${lines[0].margin} -> ${lines.at(-1).margin}`)
      assert.ok(
        report.eval_loss < report.eval_loss_before,
        `${report.eval_loss_before} -> ${report.eval_loss}`,
      )
      assert.ok(lines.at(-1).eval_accuracy >= 0.9, `accuracy ${lines.at(-1).eval_accuracy}`)
    })
  }

  test('against itself it begins at log 2, with no margin', async () => {
    const { report, out } = await run(config({ steps: 1 }))
    assert.ok(Math.abs(report.eval_loss_before - Math.log(2)) < 1e-6, `${report.eval_loss_before}`)
    const [{ margin, chosen_reward }] = metrics(out)
    assert.ok(Math.abs(margin) < 1e-5 && Math.abs(chosen_reward) < 1e-5, `${margin} ${chosen_reward}`)
  })

  test('another reference gives other rewards', async () => {
    const other = await writeTinyModel(join(root, 'other'), { seed: 2 })
    const { out } = await run(config({ steps: 1, dpo: { reference: other } }))
    assert.ok(Math.abs(metrics(out)[0].margin) > 1e-3)
  })

  test('an adapter that is trained on is its own reference, and fresh ones change nothing yet', async () => {
    const lora = { rank: 4, targets: ['q_proj', 'v_proj'] }
    const first = await run(config({ lora, steps: 6, optimizer: { lr: 1e-2 } }))
    assert.ok(metrics(first.out).at(-1).margin > 0.01)
    assert.ok(Math.abs(metrics(first.out)[0].margin) < 1e-5)
    const second = await run(config({ adapter: first.adapter, lora: {}, steps: 1 }))
    assert.ok(Math.abs(metrics(second.out)[0].margin) < 1e-5, `${metrics(second.out)[0].margin}`)
  })

  test('replayed preferences have their references too', async () => {
    const replay = [{ path: heldOut, share: 0.4 }]
    const { out } = await run(config({ replay, steps: 1, batch_size: 8 }))
    assert.ok(Math.abs(metrics(out)[0].margin) < 1e-5, `${metrics(out)[0].margin}`)
  })

  test('one batch and its micro-batches give the same losses, margins and norms', async () => {
    const whole = metrics((await run(config())).out)
    const parts = metrics((await run(config({ batch_size: 1, accumulation: 4 }))).out)
    for (const [i, line] of whole.entries())
      for (const figure of ['loss', 'grad_norm', 'margin'])
        assert.ok(Math.abs(line[figure] - parts[i][figure]) <= 1e-4 * Math.abs(line[figure]) + 1e-6, figure)
  })

  test('stopped and resumed is never stopped, and the reference is not measured again', async () => {
    const changes = { steps: 9, checkpoint: { every: 3, keep: 1 } }
    const undisturbed = await run(config(changes))
    const options = config(changes)
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const { step } of train(options, { signal: stop.signal })) if (step >= 4) stop.abort()
    })
    const measured = statSync(join(options.out, 'reference.bin')).mtimeMs
    const heard = []
    await run(options, { resume: true, onProgress: ({ label }) => heard.push(label) })
    assert.deepEqual(new Set(heard), new Set(['evaluate']))
    assert.equal(statSync(join(options.out, 'reference.bin')).mtimeMs, measured)
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
  })

  test('a reference that is damaged is measured again, by the model that training started from', async () => {
    const changes = { steps: 9, checkpoint: { every: 3, keep: 1 } }
    const undisturbed = await run(config(changes))
    const options = config(changes)
    await run(options)
    rmSync(join(options.out, 'model'), { recursive: true })
    const file = join(options.out, 'reference.bin')
    const bytes = readFileSync(file)
    bytes[bytes.length - 3] ^= 1
    writeFileSync(file, bytes)
    const heard = []
    await run(options, { resume: true, onProgress: ({ label }) => heard.push(label) })
    assert.deepEqual([...new Set(heard)], ['reference', 'evaluate'])
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
  })

  test('pairs that are longer than a row lose the ends of their answers; those with none left are dropped', async () => {
    const { report } = await run(config({ sequence_length: 28, steps: 1 }), { dryRun: true })
    const { documents, truncated, dropped } = report.plan.data
    assert.ok(truncated > 0 && 2 * (truncated + dropped) <= documents)
    const tiny = await run(config({ sequence_length: 40, dpo: { max_prompt: 2 } }), { dryRun: true })
    const whole = await run(config({ sequence_length: 40 }), { dryRun: true })
    assert.ok(tiny.report.plan.data.tokens < whole.report.plan.data.tokens)
  })

  test('data without preferences, and random weights without a reference, are refused', async () => {
    const texts = join(root, 'texts.jsonl')
    writeFileSync(texts, '{"text": "the police is bad ."}\n')
    await assert.rejects(run(config({ data: [{ path: texts }] })), {
      code: 'ERR_DATA',
      message: /texts\.jsonl:1: expected a preference, received a text/,
    })
    const init = { ...JSON.parse(readFileSync(join(model, 'config.json'))) }
    await assert.rejects(run(config({ model: undefined, init, tokenizer: model })), {
      code: 'ERR_CONFIG',
      message: /dpo\.reference: expected a model beside init/,
    })
    await assert.rejects(run(config({ dpo: { label_smoothing: 0.5 } })), { code: 'ERR_CONFIG' })
  })

  test('keys that a loss does not know are refused by name; what a resolved.yaml has of them is not', async () => {
    const refused = [
      [
        { loss: 'hinge', label_smoothing: 0.1 },
        /dpo\.label_smoothing: .*loss hinge: .* sigmoid, simpo, received 0.1$/,
      ],
      [{ loss: 'ipo', label_smoothing: 0.1 }, /dpo\.label_smoothing/],
      [{ loss: 'orpo', label_smoothing: 0.1 }, /dpo\.label_smoothing/],
      [{ gamma: 0.5 }, /dpo\.gamma: expected none with loss sigmoid: it belongs to simpo, received 0.5$/],
      [{ loss: 'orpo', gamma: 0 }, /dpo\.gamma/],
      [
        { loss: 'simpo', reference: model },
        /dpo\.reference: .* it belongs to sigmoid, hinge, ipo, received /,
      ],
      [{ loss: 'orpo', reference: model }, /dpo\.reference/],
    ]
    for (const [dpo, message] of refused)
      await assert.rejects(run(config({ dpo }), { dryRun: true }), { code: 'ERR_CONFIG', message })
    const options = config({ dpo: { loss: 'orpo' }, steps: 1 })
    const { report } = await run(options)
    const resolved = readYaml(readFileSync(join(options.out, 'resolved.yaml'), 'utf8'))
    assert.deepEqual(resolved.dpo, { loss: 'orpo', label_smoothing: 0, gamma: 1 })
    const again = await run(resolved, { resume: true })
    assert.equal(again.report.config_sha256, report.config_sha256)
  })
})
