// What the model in training says at each evaluation: of the weights at hand, without a trace in the training.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const PROMPTS = ['the color of anna is', 'what is the trade of boris ?', 'the police is']
const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const linesOf = (out, name) =>
  readFileSync(join(out, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

describe('samples', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const [talks, texts, heldOut] = ['talks', 'texts', 'held_out'].map((name) => join(root, `${name}.jsonl`))
  let made = 0
  const config = (changes = {}, samples = {}) => ({
    objective: 'sft',
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: talks }],
    eval: {
      every: 3,
      data: [{ path: heldOut, weight: 8 }], // several batches
      samples: { prompts: PROMPTS, max_new_tokens: 12, ...samples },
    },
    sequence_length: 48,
    batch_size: 4,
    steps: 8,
    optimizer: { lr: 2e-3 },
    schedule: { warmup: 2 },
    checkpoint: { every: 4, keep: 2 },
    threads: 1,
    ...changes,
  })
  const run = async (options, more) => ({ ...(await train(options, more).result), out: options.out })

  before(async () => {
    await writeTinyModel(model)
    const questions = new World(1).questions('fact')
    const talk = ({ prompt, answer }) => ({
      messages: [
        { role: 'user', content: prompt },
        { role: 'assistant', content: answer },
      ],
    })
    const write = (file, records) =>
      writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    write(talks, questions.slice(6).map(talk))
    write(heldOut, questions.slice(0, 6).map(talk))
    write(
      texts,
      questions.map(({ answer }) => ({ text: `${answer} `.repeat(2) })),
    )
  })

  /** What a model says to the prompts, as samples have it. */
  async function said(loaded, ask) {
    const all = []
    for (const prompt of PROMPTS) {
      const { text, ids, finish_reason } = await ask(loaded, prompt).result
      all.push({ prompt, text, finish_reason, tokens: ids.length })
    }
    await loaded.dispose()
    return all
  }
  const chat = (loaded, content) => loaded.chat([{ role: 'user', content }], { maxNewTokens: 12 })
  const goOn = (loaded, prompt) => loaded.generate(prompt, { maxNewTokens: 12 })
  const samplesAt = (out, step) =>
    linesOf(out, 'samples.jsonl')
      .filter((line) => line.step === step)
      .map(({ step: _, ...sample }) => sample)

  test('are taken at each evaluation, of the weights before the first update to those of the result', async () => {
    const { model: folder, out, report } = await run(config())
    const lines = linesOf(out, 'samples.jsonl')
    assert.deepEqual(
      lines.map(({ step, prompt }) => [step, prompt]),
      [0, 3, 6, 8].flatMap((step) => PROMPTS.map((prompt) => [step, prompt])),
    )
    assert.deepEqual(Object.keys(lines[0]), ['step', 'prompt', 'text', 'finish_reason', 'tokens'])
    assert.deepEqual(samplesAt(out, 0), await said(await loadModel(model, { threads: 1 }), chat))
    assert.deepEqual(samplesAt(out, 8), await said(await loadModel(folder, { threads: 1 }), chat))
    assert.notDeepEqual(samplesAt(out, 0), samplesAt(out, 8))
    for (const line of linesOf(out, 'metrics.jsonl').filter(({ eval_loss }) => eval_loss)) {
      const stops = samplesAt(out, line.step).filter(({ finish_reason }) => finish_reason === 'stop').length
      assert.equal(line.stop_rate, stops / PROMPTS.length)
    }
    assert.equal(report.stop_rate, linesOf(out, 'metrics.jsonl').at(-1).stop_rate)
    assert.equal(report.stop_rate_before, 0)
  })

  test('in bfloat16 are those of the model that is saved', async () => {
    const { model: folder, out } = await run(config({ dtype: 'bfloat16' }))
    const loaded = await loadModel(folder, { dtype: 'bfloat16', threads: 1 })
    assert.deepEqual(samplesAt(out, 8), await said(loaded, chat))
  })

  test('of adapters in training are those of the model with its adapter, dropout left out', async () => {
    const lora = { rank: 4, dropout: 0.3, merge: false }
    const { out } = await run(config({ lora, optimizer: { lr: 2e-2 } }))
    const loaded = await loadModel(model, { adapter: join(out, 'adapter'), threads: 1 })
    assert.deepEqual(samplesAt(out, 8), await said(loaded, chat))
    assert.notDeepEqual(samplesAt(out, 0), samplesAt(out, 8))
  })

  test('continue a text where the chat template is not wanted', async () => {
    const { model: folder, out } = await run(config({}, { chat: false }))
    assert.deepEqual(samplesAt(out, 8), await said(await loadModel(folder, { threads: 1 }), goOn))
  })

  test('leave no trace in the training, drawn at random or not', async () => {
    const lora = { rank: 4, dropout: 0.3 }
    const { samples: _, ...evaluation } = config().eval
    const plain = await run(config({ lora, eval: evaluation }))
    const drawn = await run(config({ lora }, { temperature: 1.5, top_p: 0.9, seed: 4 }))
    assert.ok(weights(plain.out).equals(weights(drawn.out)))
    assert.ok(!existsSync(join(plain.out, 'samples.jsonl')))
    const greedy = await run(config({ lora }))
    assert.notDeepEqual(samplesAt(greedy.out, 0), samplesAt(drawn.out, 0))
  })

  for (const label of ['evaluate', 'sample']) {
    test(`stopped while it is at '${label}', and resumed, a run is never stopped`, async () => {
      const changes = { steps: 10, tensorboard: true }
      const undisturbed = await run(config(changes, { temperature: 1 }))
      const options = config(changes, { temperature: 1 })
      const stop = new AbortController()
      const reason = new Error('enough')
      let evaluations = 0
      const onProgress = (work) => {
        if (work.label === 'evaluate' && work.done === work.total) evaluations++
        const third = label === 'evaluate' ? evaluations === 2 && work.done < work.total : evaluations === 3
        if (third && work.label === label) stop.abort(reason)
      }
      const stopped = train(options, { signal: stop.signal, onProgress })
      await assert.rejects(stopped.result, reason)
      assert.equal(stopped.latest.checkpoint.step, 6, 'the step of the third evaluation')

      await run(options, { resume: true })
      assertSameRun(options.out, undisturbed.out)
    })
  }

  test('of a run that was killed are neither lost nor there twice', async () => {
    const undisturbed = await run(config())
    const options = config()
    const killed = train(options)
    for await (const { step } of killed) if (step === 7) break
    rmSync(killed.latest.checkpoint.path, { recursive: true }) // as if it had not come to save what it did since step 4
    const { report } = await run(options, { resume: true })
    assert.equal(report.resumed_from, 4)
    assertSameRun(options.out, undisturbed.out)
  })

  function assertSameRun(out, undisturbed) {
    assert.ok(weights(out).equals(weights(undisturbed)))
    assert.equal(
      readFileSync(join(out, 'samples.jsonl'), 'utf8'),
      readFileSync(join(undisturbed, 'samples.jsonl'), 'utf8'),
    )
    const figures = (folder) =>
      linesOf(folder, 'metrics.jsonl').map(({ step, loss, eval_loss, eval_losses, stop_rate }) => ({
        ...{ step, loss, eval_loss, eval_losses, stop_rate },
      }))
    assert.deepEqual(figures(out), figures(undisturbed))
  }

  test('may be others when a run is resumed, also where the held-out loss decides the result', async () => {
    const selective = { result: 'best', checkpoint: { every: 4, keep: 3 } }
    const options = config(selective)
    for await (const { step } of train(options)) if (step === 4) break
    const other = { ...options.eval, samples: { prompts: ['the police'], max_new_tokens: 3 } }
    await run({ ...options, eval: other }, { resume: true })
    assert.deepEqual([...new Set(linesOf(options.out, 'samples.jsonl').map(({ prompt }) => prompt))].sort(), [
      ...[...PROMPTS, 'the police'].sort(),
    ])
  })

  test('show that plain continual pre-training of a chat model loses the end of the turn, and InsCP keeps it', async () => {
    const prompts = new World(1).questions('fact').map(({ prompt }) => prompt)
    const shared = { batch_size: 8, schedule: { warmup: 5 }, checkpoint: { every: 0 } }
    const taught = await run(config({ ...shared, steps: 50, eval: undefined, optimizer: { lr: 1e-2 } }))
    const rates = {}
    for (const objective of ['cp', 'inscp']) {
      const { report } = await run(
        config({
          ...{ ...shared, objective, model: taught.out, data: [{ path: texts }], steps: 20 },
          optimizer: { lr: 5e-3 },
          eval: {
            every: 20,
            data: [{ path: texts, weight: 0.1 }],
            samples: { prompts: [prompts[3], prompts[30], prompts[50]], max_new_tokens: 40 },
          },
        }),
      )
      rates[objective] = [report.stop_rate_before, report.stop_rate]
    }
    assert.deepEqual(rates, { cp: [1, 0], inscp: [1, 1] })
  })

  test('may come from a file, a prompt a line, and stand in TensorBoard as text', async () => {
    const file = join(root, 'prompts.txt')
    writeFileSync(file, `${PROMPTS[0]}\n\n  ${PROMPTS[1]}\r\n`)
    const options = config({ steps: 1, tensorboard: true }, { prompts: file })
    const { out } = await run(options)
    assert.deepEqual(
      linesOf(out, 'samples.jsonl').map(({ prompt }) => prompt),
      [...PROMPTS.slice(0, 2), ...PROMPTS.slice(0, 2)],
    )
    const [events] = readdirSync(join(out, 'tensorboard'))
    const content = readFileSync(join(out, 'tensorboard', events), 'latin1')
    for (const part of ['samples/2', PROMPTS[1], 'eval/stop_rate', 'eval/losses/'])
      assert.ok(content.includes(part), part)
  })

  test('that cannot be asked are told before anything runs', async () => {
    const empty = join(root, 'empty.txt')
    writeFileSync(empty, '\n \n')
    const plain = join(root, 'plain')
    await writeTinyModel(plain)
    for (const name of readdirSync(plain)) if (name.startsWith('chat_template')) rmSync(join(plain, name))
    const configFile = join(plain, 'tokenizer_config.json')
    const { chat_template: _, ...rest } = JSON.parse(readFileSync(configFile, 'utf8'))
    writeFileSync(configFile, JSON.stringify(rest))
    const fails = (changes, samples, expected) =>
      assert.rejects(run(config(changes, samples), { dryRun: true }), expected)
    await fails({}, { system: 'be brief' }, { code: 'ERR_TEMPLATE', message: /refuses the conversation/ })
    await fails({}, { prompts: join(root, 'none.txt') }, { code: 'ERR_NOT_FOUND' })
    await fails(
      {},
      { prompts: empty },
      {
        code: 'ERR_DATA',
        message: `${empty}: expected prompts, one on each line, found none`,
        hint: 'Write some, or give a list: prompts: [...]',
      },
    )
    await fails(
      {},
      { prompts: ['the police', 'the '.repeat(300)], chat: false },
      {
        code: 'ERR_CONTEXT',
        message:
          /^eval\.samples\.prompts: expected prompts of 1 to 255 tokens, received one of 30\d: "the the .*\.\.\.$/,
        hint: 'The model has 256 positions: leave it out, or shorten it.',
      },
    )
    const stretched = `${model}-stretched`
    cpSync(model, stretched, { recursive: true })
    const rope_scaling = { rope_type: 'linear', factor: 2 }
    const file = join(stretched, 'config.json')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), rope_scaling }))
    const long = { prompts: ['the '.repeat(300)], chat: false }
    await run(config({ model: stretched }, long), { dryRun: true })
    await fails(
      {},
      { prompts: [] },
      {
        code: 'ERR_CONFIG',
        message: /eval\.samples\.prompts: expected a list of texts, or a file with one on each line/,
      },
    )
    await fails(
      {
        objective: 'cp',
        model: plain,
        data: [{ path: texts }],
        eval: {
          data: [{ path: texts }],
          samples: { prompts: PROMPTS, chat: true },
        },
      },
      {},
      {
        code: 'ERR_TEMPLATE',
        message: 'Expected a chat template, found none',
      },
    )
  })
})
