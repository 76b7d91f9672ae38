// objective: masked, whole runs of a tiny encoder: from random weights or a folder to a folder.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadEncoder } from 'tongueforge'
import { withLayers } from '#lib/checkpoint/layer_config'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { encoderConfig, sentence, writeEncoderTokenizer, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const root = temporaryFolder()
const [tokenizer, texts, heldOut, start] = ['tokenizer', 'train.txt', 'held_out.txt', 'start'].map((name) =>
  join(root, name),
)
const { architectures: _, ...init } = encoderConfig()
let made = 0
const config = (changes = {}) => ({
  objective: 'masked',
  init,
  tokenizer,
  out: join(root, `run-${made++}`),
  data: [{ path: texts }],
  eval: { every: 10, data: [{ path: heldOut }] },
  data_cache: join(root, 'cache'),
  sequence_length: 24,
  batch_size: 8,
  steps: 60,
  optimizer: { lr: 0.01 },
  schedule: { warmup: 5 },
  checkpoint: { every: 8, keep: 2 },
  threads: 1,
  ...changes,
})
const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const lines = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

before(async () => {
  writeEncoderTokenizer(tokenizer)
  const many = (from, count) => Array.from({ length: count }, (_, i) => sentence(from + i)).join('\n\n')
  writeFileSync(texts, many(0, 300))
  writeFileSync(heldOut, many(1000, 30))
  await writeTinyEncoder(start)
})

describe('objective: masked', () => {
  test('learns hidden words from random weights, into a folder that transformers names', async () => {
    const settings = config()
    const { model } = await train(settings).result
    const told = lines(settings.out)
    assert.equal(told.length, 60)
    const [first, last] = [told[9].eval_loss, told.at(-1).eval_loss]
    assert.ok(last < 0.8 * first, `held-out loss ${first} -> ${last}`)
    assert.deepEqual(json(model, 'config.json').architectures, ['BertForMaskedLM'])
    const encoder = await loadEncoder(model, { threads: 1 })
    assert.deepEqual(encoder.unread, [])
    const [{ candidates }] = await encoder.fillMask('the old dog sees [MASK] cat here')
    await encoder.dispose()
    assert.ok(['a', 'the'].includes(candidates[0].token), candidates[0].token)
  })

  test('stopped and resumed, it writes the bytes of an undisturbed run', async () => {
    const whole = config({ steps: 20, model: start, init: undefined, tokenizer: undefined })
    await train(whole).result
    const cut = { ...whole, out: join(root, 'cut') }
    const stop = new AbortController()
    const run = train(cut, { signal: stop.signal })
    const ended = (async () => {
      for await (const { step } of run) if (step === 11) stop.abort(new Error('enough'))
    })()
    await assert.rejects(ended, /enough/)
    await assert.rejects(run.result, /enough/)
    await train(cut, { resume: true }).result
    assert.ok(weights(cut.out).equals(weights(whole.out)))
    const losses = (out) => lines(out).map(({ loss }) => loss)
    assert.deepEqual(losses(cut.out), losses(whole.out))
  })

  test('hides other words by another seed, and as many as it is told', async () => {
    const targets = async (changes) => {
      const { report } = await train(config({ steps: 4, eval: undefined, ...changes }), { showBatch: true })
        .result
      const documents = report.batch.flatMap((row) => row.documents)
      return { trained: documents.reduce((sum, { trained }) => sum + trained, 0), documents }
    }
    const few = await targets({})
    const all = await targets({ masked: { probability: 1 } })
    const tokens = all.documents.reduce((sum, document) => sum + document.tokens, 0)
    assert.equal(all.trained, tokens - 2 * all.documents.length, 'all but [CLS] and [SEP]')
    assert.ok(few.trained > 0 && few.trained < 0.4 * all.trained, `${few.trained} of ${all.trained}`)
    assert.match(few.documents[0].pieces[0].text, /^\[CLS\]/)
  })

  test('trains a model whose blocks differ, and keeps their sizes', async () => {
    const layer = (num_heads, intermediate_size, ranks) => ({
      num_heads,
      num_kv_heads: num_heads,
      intermediate_size,
      window: 0,
      ranks,
    })
    const mixed = withLayers(encoderConfig(), [layer(1, 24, {}), layer(2, 9, { 'intermediate.dense': 4 })], {
      head_dim: 8,
    })
    const folder = join(root, 'mixed')
    await writeTinyEncoder(folder, mixed)
    const settings = config({ steps: 12, model: folder, init: undefined, tokenizer: undefined })
    const { model } = await train(settings).result
    const told = lines(settings.out)
    assert.ok(told.at(-1).eval_loss < told[9].eval_loss + 0.5)
    assert.deepEqual(json(model, 'config.json').layers, mixed.layers)
    const encoder = await loadEncoder(model, { threads: 1 })
    await encoder.dispose()
  })

  test('runs in bfloat16, with blocks computed again, with z-loss, with parts frozen', async () => {
    const settings = config({
      steps: 6,
      dtype: 'bfloat16',
      activation_checkpointing: 'block',
      z_loss: 1e-3,
      model: start,
      init: undefined,
      tokenizer: undefined,
      freeze: ['*embeddings*', '*layer.0.*'],
    })
    await train(settings).result
    assert.ok(lines(settings.out).every(({ loss, z_loss }) => Number.isFinite(loss) && z_loss > 0))
  })

  for (const [what, changes, key, message, hint] of [
    [
      'another objective for an encoder',
      { objective: 'cp' },
      'objective',
      /of type bert, received cp/,
      /masked trains/,
    ],
    [
      'rows beyond its positions',
      { sequence_length: 64 },
      'sequence_length',
      /at most 32, received 64/,
      /learnt position/,
    ],
    [
      'samples',
      { eval: { every: 5, data: [{ path: texts }], samples: { prompts: ['the'] } } },
      'eval.samples',
      /writes no text/,
      /Leave/,
    ],
    [
      'a class without the head',
      { init: { ...init, architectures: ['BertModel'] } },
      'model',
      /masked-LM head, received one with none/,
      /BertForMaskedLM/,
    ],
    [
      'shares above 1',
      { masked: { mask: 0.9, random: 0.2 } },
      'masked.random',
      /at most 1 together/,
      undefined,
    ],
  ]) {
    test(`refuses ${what} by its key`, async () => {
      await assert.rejects(train(config(changes), { dryRun: true }).result, (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.equal(error.details.key, key)
        assert.match(error.message, message)
        if (hint) assert.match(error.hint, hint)
        return true
      })
    })
  }

  test('refuses a decoder, and adapters', async () => {
    const decoder = join(root, 'decoder')
    await writeTinyModel(decoder)
    const own = { init: undefined, tokenizer: undefined }
    await assert.rejects(train(config({ ...own, model: decoder }), { dryRun: true }).result, {
      code: 'ERR_CONFIG',
      message: /of type llama, received masked/,
    })
    await assert.rejects(train(config({ ...own, model: start, lora: {} }), { dryRun: true }).result, {
      code: 'ERR_CONFIG',
      message: /adapters are for decoders/,
    })
  })
})
