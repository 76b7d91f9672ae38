// Training runs from config to model folder, small ones. test/golden/training.test.mjs compares the steps with torch.
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { inLanguage } from '#lib/world/words'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const weights = (run) => readFileSync(join(run, 'model', 'model.safetensors'))
const metrics = (run) =>
  readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('train', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const texts = join(root, 'texts.jsonl')
  const chats = join(root, 'chats.jsonl')
  let made = 0
  const config = (changes = {}) => ({
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: texts }],
    sequence_length: 32,
    batch_size: 4,
    steps: 6,
    optimizer: { lr: 1e-3 },
    schedule: { warmup: 2 },
    threads: 1,
    ...changes,
  })
  const run = async (options, more) => {
    const { model: folder, report } = await train(options, more).result
    return { folder, report, out: options.out }
  }

  before(async () => {
    await writeTinyModel(model)
    const questions = new World(1).questions('fact')
    const lines = (make) => questions.map((question) => `${JSON.stringify(make(question))}\n`).join('')
    writeFileSync(
      texts,
      lines(({ answer }) => ({ text: inLanguage(answer, 'b') })),
    )
    const turn = (role, content) => ({ role, content })
    writeFileSync(
      chats,
      lines(({ prompt, answer }) => ({ messages: [turn('user', prompt), turn('assistant', answer)] })),
    )
  })

  test('same config, same bytes; another seed, others', async () => {
    const [a, b, other] = [await run(config()), await run(config()), await run(config({ seed: 2 }))]
    assert.ok(weights(a.out).equals(weights(b.out)))
    assert.ok(!weights(a.out).equals(weights(other.out)))
  })

  test('the loss falls, is recorded, and the model runs', async () => {
    const options = config({
      steps: 40,
      optimizer: { lr: 3e-3 },
      eval: { every: 20, data: [{ path: texts }] },
    })
    const { report, folder, out } = await run(options)
    const lines = metrics(out)
    assert.equal(lines.length, 40)
    assert.deepEqual(
      lines.map(({ step }) => step),
      lines.map((_, i) => i + 1),
    )
    assert.ok(
      report.eval_loss < report.eval_loss_before - 1,
      `${report.eval_loss_before} -> ${report.eval_loss}`,
    )
    assert.ok(report.loss < lines[0].loss)
    const trained = await loadModel(folder)
    assert.equal((await trained.generate('the', { maxNewTokens: 3 }).result).ids.length, 3)
    await trained.dispose()
  })

  test('one batch of 4 rows and 4 micro-batches of 1 row give the same losses', async () => {
    const whole = await run(config())
    const parts = await run(config({ batch_size: 1, accumulation: 4 }))
    metrics(whole.out).forEach(({ loss, grad_norm }, i) => {
      const other = metrics(parts.out)[i]
      assert.ok(Math.abs(loss - other.loss) <= 2e-5 * loss, `step ${i + 1}: ${loss} and ${other.loss}`)
      assert.ok(Math.abs(grad_norm - other.grad_norm) <= 1e-4 * grad_norm)
    })
  })

  test('stopped and resumed is never stopped: the same bytes', async () => {
    const undisturbed = await run(config({ steps: 12, checkpoint: { every: 5, keep: 1 } }))
    const options = config({ steps: 12, checkpoint: { every: 5, keep: 1 } })
    const stop = new AbortController()
    const reason = new Error('enough')
    const stopped = train(options, { signal: stop.signal })
    await assert.rejects(async () => {
      for await (const { step } of stopped) if (step >= 7) stop.abort(reason)
    }, reason)
    assert.ok(stopped.latest.checkpoint.step >= 7)
    assert.ok(!existsSync(join(options.out, 'model')))
    const { report } = await run(options, { resume: true })
    assert.equal(report.resumed_from, stopped.latest.checkpoint.step)
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
    const steps = metrics(options.out).map(({ step }) => step)
    assert.deepEqual(
      steps,
      Array.from({ length: 12 }, (_, i) => i + 1),
    )
  })

  test('a damaged checkpoint is passed over, with a warning', async () => {
    const options = config({ steps: 12, checkpoint: { every: 4, keep: 2 } })
    await run(options)
    const whole = weights(options.out)
    rmSync(join(options.out, 'model'), { recursive: true })
    const file = join(options.out, 'checkpoints', 'step-00000008', 'state.safetensors')
    const bytes = readFileSync(file)
    bytes[bytes.length - 3] ^= 1
    writeFileSync(file, bytes)
    const warnings = []
    const { report } = await run(options, { resume: true, onWarning: (warning) => warnings.push(warning) })
    assert.equal(report.resumed_from, 4)
    assert.match(warnings[0], /step-00000008 is damaged/)
    assert.ok(weights(options.out).equals(whole))
  })

  test('resuming a finished run returns its report at once', async () => {
    const options = config()
    const { report } = await run(options)
    assert.deepEqual((await run(options, { resume: true })).report, report)
  })

  test('an existing run needs --resume or --overwrite, and resuming under another config is refused', async () => {
    const options = config({ checkpoint: { every: 2, keep: 1 } })
    await run(options)
    await assert.rejects(run(options), { code: 'ERR_EXISTS' })
    await assert.rejects(run({ ...options, seed: 9 }, { resume: true }), { code: 'ERR_CHECKPOINT' })
    await run({ ...options, seed: 9 }, { overwrite: true })
    const short = config({ steps: 2 })
    await run(short)
    await assert.rejects(run({ ...short, steps: 3 }, { resume: true }), { code: 'ERR_CHECKPOINT' })
    await assert.rejects(run({ ...options, out: root }, { overwrite: true }), { code: 'ERR_EXISTS' })
    assert.ok(existsSync(model))
  })

  test('a finished run is not replaced by resuming under another config, with or without checkpoints', async () => {
    const options = config({ checkpoint: { every: 0 } })
    await run(options)
    const finished = weights(options.out)
    await assert.rejects(run({ ...options, steps: 7 }, { resume: true }), { code: 'ERR_CHECKPOINT' })
    assert.ok(weights(options.out).equals(finished))
  })

  test('a run is not cleared away under its own model or data', async () => {
    const options = config()
    await run(options)
    const data = join(options.out, 'texts.jsonl')
    cpSync(texts, data)
    for (const change of [
      { model: options.out },
      { model: join(options.out, 'model') },
      { data: [{ path: data }] },
      { replay: [{ path: data, share: 0.2 }] },
      { eval: { every: 1, data: [{ path: data }] } },
    ]) {
      await assert.rejects(run({ ...options, ...change }, { overwrite: true }), {
        code: 'ERR_USAGE',
        message: /expected a run folder apart from what is read/,
      })
    }
    assert.ok(existsSync(join(options.out, 'model')) && existsSync(data))
  })

  test('a dry run refuses the run folder that a run would refuse', async () => {
    const options = config()
    await run(options)
    await assert.rejects(run(options, { dryRun: true }), { code: 'ERR_EXISTS' })
    assert.equal((await run(options, { dryRun: true, overwrite: true })).report.dry_run, true)
    assert.ok(weights(options.out).length > 0)
  })

  test('the provenance names libtorch beside the numerics', async () => {
    const { folder } = await run(config({ steps: 1 }))
    const { numerics } = JSON.parse(readFileSync(join(folder, 'provenance.json'), 'utf8'))
    assert.equal(numerics.dtype, 'float32')
    assert.match(numerics.libtorch, /^2\.\d+/)
  })

  test('sft learns the assistant alone; inscp wraps every text in the empty turn', async () => {
    const sft = await run(config({ objective: 'sft', data: [{ path: chats }], steps: 2 }))
    const inscp = await run(config({ objective: 'inscp', steps: 2 }))
    const cp = await run(config({ steps: 2 }))
    const tokens = (report) => report.plan.data.tokens
    // <user><eot><assistant> before and <eot> after each text, beside the <bos> that plain text has too
    assert.equal(tokens(inscp.report) - tokens(cp.report), 4 * cp.report.plan.data.documents)
    const targets = metrics(sft.out)[0].tokens
    assert.ok(targets > 0 && targets < metrics(cp.out)[0].tokens)
  })

  test('texts for sft and conversations for cp are refused with file and line', async () => {
    await assert.rejects(run(config({ objective: 'sft' })), (error) => {
      assert.equal(error.code, 'ERR_DATA')
      assert.match(error.message, /texts\.jsonl:1: expected a conversation/)
      return true
    })
    await assert.rejects(run(config({ data: [{ path: chats }] })), { code: 'ERR_DATA' })
  })

  test('unknown keys, wrong values and contradictions are refused by key, with the nearest known one', async () => {
    const cases = [
      [{ learning_rate: 1 }, /learning_rate: unknown key/, undefined],
      [{ optimizer: { lrr: 1 } }, /optimizer\.lrr: unknown key/, /Did you mean 'lr'/],
      [{ steps: 0 }, /steps: expected a whole number from 1, received 0/, undefined],
      [
        { objective: 'dop' },
        /objective: expected cp \| inscp \| sft \| dpo \| distil \| masked, received "dop"/,
        undefined,
      ],
      [{ model: undefined }, /either model or init/, undefined],
      [{ data: [] }, /data: expected at least one source/, undefined],
    ]
    for (const [change, message, hint] of cases) {
      await assert.rejects(run(config(change)), (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, message)
        if (hint) assert.match(error.hint, hint)
        return true
      })
    }
  })

  test('a config that is no plain data, or nothing, is refused with a code', async () => {
    await assert.rejects(train({ out: () => 1 }).result, { code: 'ERR_CONFIG', message: /plain data/ })
    await assert.rejects(train(null, { overrides: ['steps=1'] }).result, {
      code: 'ERR_CONFIG',
      message: /the config has no key 'steps'/,
    })
  })

  test('a line of metrics that cannot be read is named when the run is resumed', async () => {
    const options = config()
    await run(options)
    rmSync(join(options.out, 'model'), { recursive: true })
    appendFileSync(join(options.out, 'metrics.jsonl'), '{bad\n')
    await assert.rejects(run(options, { resume: true }), {
      code: 'ERR_DATA',
      message: /metrics\.jsonl:7: expected a line of metrics/,
    })
  })

  test('overrides reach into the config, and a dry run tells the plan and writes nothing', async () => {
    const options = config()
    const overrides = ['optimizer.lr=0.5', 'steps=9', 'data.0.weight=2']
    const { report } = await run(options, { dryRun: true, overrides })
    assert.equal(report.plan.data.documents, 2 * new World(1).questions('fact').length)
    assert.ok(!existsSync(options.out))
    await assert.rejects(run(options, { overrides: ['optimizer.lr=abc'] }), { code: 'ERR_CONFIG' })
    await assert.rejects(run(options, { overrides: ['steps'] }), { code: 'ERR_USAGE' })
  })

  test('a run that goes out of bounds stops with the figures, before the weights are spoilt', async () => {
    const options = config({ optimizer: { lr: 1e30 }, schedule: { warmup: 0 }, clip: 0 })
    await assert.rejects(run(options), (error) => {
      assert.equal(error.code, 'ERR_NON_FINITE')
      assert.match(error.hint, /lr/)
      return true
    })
  })
})
