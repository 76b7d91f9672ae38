// Every technique on a text encoder: it looks at rows with hidden tokens, and leaves a folder that loads and answers.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, landscape, loadEncoder } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { withSilentHeads } from '../helpers/pruned_models.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const embedded = async (folder) => {
  const encoder = await loadEncoder(folder, { threads: 1 })
  const [vector] = await encoder.embed([sentence(1)])
  await encoder.dispose()
  return vector
}

describe('a text encoder', () => {
  const root = temporaryFolder()
  const [model, texts] = [join(root, 'encoder'), join(root, 'texts.txt')]
  const read = { data: [{ path: texts }], sequence_length: 24 }

  before(async () => {
    await writeTinyEncoder(
      model,
      encoderConfig({ hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 3 }),
    )
    writeFileSync(texts, Array.from({ length: 60 }, (_, i) => sentence(i)).join('\n\n'))
  })

  for (const [name, stage, expected] of [
    [
      'heads',
      { method: 'heads', criterion: 'taylor', keep: 2 },
      { model_type: 'tongueforge_bert', num_attention_heads: 2 },
    ],
    [
      'named heads',
      { method: 'heads', heads: { 0: [0, 2], 1: [1, 3], 2: [2, 3] } },
      { model_type: 'tongueforge_bert', num_attention_heads: 2 },
    ],
    ['rows', { method: 'rows', keep: 10 }, { model_type: 'bert', intermediate_size: 10 }],
    ['layers', { method: 'layers', keep: 2 }, { model_type: 'bert', num_hidden_layers: 2 }],
    ['prune', { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 }, { model_type: 'bert' }],
    ['lowrank', { method: 'lowrank', ratio: 0.5 }, { model_type: 'tongueforge_bert' }],
    ['quantize', { method: 'quantize', group: 8, gptq: true }, { model_type: 'bert' }],
    [
      'recover',
      { method: 'recover', objective: 'masked', steps: 3, batch_size: 2, ...read },
      { model_type: 'bert' },
    ],
  ]) {
    test(`goes through ${name}`, async () => {
      const calibration = { ...read, samples: 8 }
      const settings = {
        model,
        out: join(root, name),
        stages: [stage],
        calibration,
        evaluate: read,
        threads: 1,
      }
      const run = compress(settings)
      const losses = []
      for await (const event of run) if (event.event === 'stage') losses.push(event.loss)
      const { model: result } = await run.result
      assert.ok(losses.length >= 1 && losses.every(Number.isFinite), JSON.stringify(losses))
      const config = JSON.parse(readFileSync(join(result, 'config.json'), 'utf8'))
      assert.deepEqual(Object.fromEntries(Object.keys(expected).map((key) => [key, config[key]])), expected)
      const vector = await embedded(result)
      assert.ok(vector.length === 32 && vector.every(Number.isFinite))
    })
  }
  test('without the heads that are named it answers as if they said nothing', async () => {
    const heads = { 0: [0, 3], 2: [1] }
    const settings = { model, out: join(root, 'named'), stages: [{ method: 'heads', heads }], threads: 1 }
    const { model: result } = await compress(settings).result
    const [left, silent, whole] = [result, withSilentHeads(model, join(root, 'silent'), heads, 8), model]
    const [a, b, c] = [await embedded(left), await embedded(silent), await embedded(whole)]
    assert.ok(a.every((value, i) => Math.abs(value - b[i]) < 1e-5))
    assert.ok(a.some((value, i) => Math.abs(value - c[i]) > 1e-3))
  })
})

describe('a text encoder without a masked-LM head', () => {
  const root = temporaryFolder()
  const [model, texts] = [join(root, 'encoder'), join(root, 'texts.txt')]
  const read = { data: [{ path: texts }], sequence_length: 24 }
  const config = (stage, more) => ({
    ...{ model, out: join(root, 'out'), calibration: { ...read, samples: 8 }, threads: 1 },
    ...{ stages: [stage], ...more },
  })
  const made = []

  before(async () => {
    await writeTinyEncoder(model, encoderConfig({ architectures: ['BertForSequenceClassification'] }))
    writeFileSync(texts, Array.from({ length: 60 }, (_, i) => sentence(i)).join('\n\n'))
  })

  for (const stage of [
    { method: 'heads', criterion: 'l1', keep: 1 },
    { method: 'rows', criterion: 'activation', keep: 10 },
    { method: 'layers', keep: 1 },
    { method: 'prune', criterion: 'wanda', sparsity: 0.5 },
    { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
    { method: 'lowrank', ratio: 0.5, whiten: true },
    { method: 'quantize', group: 8, gptq: true },
  ]) {
    test(`goes through ${stage.method} ${stage.criterion ?? ''}`, async () => {
      const out = join(root, `made-${made.push(stage)}`)
      const { model: result } = await compress({ ...config(stage), out }).result
      const encoder = await loadEncoder(result, { threads: 1 })
      const [{ scores }] = await encoder.classify([sentence(1)])
      await encoder.dispose()
      assert.ok(Object.values(scores).every(Number.isFinite))
    })
  }

  for (const [name, given, key, message] of [
    ...['data', 'taylor'].map((criterion) => [
      ...[`heads by ${criterion}`, config({ method: 'heads', criterion, keep: 1 }), 'stages.0.criterion'],
      `expected one that asks for no loss with an encoder without a masked-LM head, received ${criterion}`,
    ]),
    [
      ...['rows by taylor', config({ method: 'rows', keep: 10 }), 'stages.0.criterion'],
      'expected one that asks for no loss with an encoder without a masked-LM head, received taylor',
    ],
    [
      ...['held-out text', config({ method: 'layers', keep: 1 }, { evaluate: read }), 'evaluate'],
      'expected a model that has a loss, received an encoder without a masked-LM head',
    ],
  ]) {
    test(`${name} is refused before anything runs`, async () => {
      for (const dryRun of [true, false])
        await assert.rejects(compress(given, { dryRun }).result, {
          code: 'ERR_CONFIG',
          message: `config: ${key}: ${message}`,
          hint: key === 'evaluate' ? /compress can do without evaluate/ : /l1 looks at weights alone/,
        })
      assert.equal(existsSync(given.out), false)
    })
  }

  test('has no landscape, as its quality has no figure', async () => {
    const techniques = [{ name: 'l1', stages: [{ method: 'heads', criterion: 'l1', keep: 1 }] }]
    await assert.rejects(
      landscape({ model, out: join(root, 'landscape'), evaluate: read, measure: { tokens: 16 }, techniques })
        .result,
      {
        code: 'ERR_CONFIG',
        message:
          'config: evaluate: expected a model that has a loss, received an encoder without a masked-LM head',
      },
    )
  })
})
