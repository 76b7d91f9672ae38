// Quantising as the stage of compress: what it refuses, what its folder is to other verbs, what inspect counts.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import {
  applyDelta,
  compress,
  extendVocabulary,
  extractDelta,
  graft,
  inspect,
  loadModel,
  merge,
  mergeAdapter,
} from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { quantizationConfig, quantizationOf } from '#lib/checkpoint/quantization_config'
import { quantizeSchema } from '#lib/config/compress/quantize'
import { quantize } from '#lib/verbs/compressing/quantize'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { isPackedPart, writeDense } from '../helpers/quantized.mjs'
import { readTensors, writeTensors } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { tinyConfig } from '../helpers/tiny_model.mjs'

const stageOf = (keys) => quantizeSchema.parse({ method: 'quantize', ...keys })
const ROWS = [Array.from({ length: 20 }, (_, i) => (7 * i * i + 3 * i + 5) % 40)]

/** Rejects with ERR_MODEL_CONFIG that says to take the model it was made from. */
const refusesNumbers = (work) =>
  assert.rejects(work, (error) => {
    assert.equal(error.code, 'ERR_MODEL_CONFIG')
    assert.match(error.message, /quantization_config: expected no quantisation where weights are changed/)
    assert.match(error.hint, /Take the model that it was quantised from/)
    return true
  })

describe('the stage quantize', () => {
  const spec = decoderSpec(tinyConfig())
  const foretold =
    (keys, changes = {}) =>
    () =>
      quantize.predict({ spec: { ...spec, ...changes }, zeros: 0 }, stageOf(keys))

  test('names the layer whose inputs are no whole groups, and a group that would do', () => {
    const inputs = spec.hidden_size
    assert.throws(foretold({ group: inputs - 1 }), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.equal(error.details.key, 'group')
      const problem = `expected the inputs of layers.0.self_attn.q_proj to be groups of ${inputs - 1}, received ${inputs} inputs`
      assert.equal(error.message, problem)
      assert.match(error.hint, new RegExp(`such as ${inputs / 2}, or exclude`))
      return true
    })
  })

  test('refuses factored layers unless they are excluded, and says how to go on', () => {
    const layers = spec.layers.map((layer) => ({ ...layer, ranks: { 'mlp.up_proj': 8 } }))
    assert.throws(foretold({ bits: 8 }, { layers }), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      const problem = 'expected whole matrices, received layers.0.mlp.up_proj, which is factored'
      assert.equal(error.message, problem)
      assert.match(error.hint, /Exclude this layer, or multiply it back: lowrank with dense: true/)
      return true
    })
    foretold({ bits: 8, exclude: ['up_proj'] }, { layers })()
  })

  test('refuses layers of fewer inputs than a word has codes for', () => {
    const layers = spec.layers.map((layer) => ({ ...layer, intermediate_size: 4 }))
    assert.throws(foretold({ bits: 8 }, { layers }), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.equal(error.message, 'expected at least 8 inputs, received layers.0.mlp.down_proj of 4')
      assert.equal(error.details.key, 'exclude')
      return true
    })
  })

  test('takes damping beside gptq alone, and 4 or 8 bits', () => {
    const problem = (keys) =>
      quantizeSchema.safeParse({ method: 'quantize', ...keys }).error.issues[0].message
    assert.equal(problem({ damping: 0.1 }), 'expected gptq: true beside it')
    assert.equal(problem({ bits: 3 }), 'expected 4 or 8')
  })
})

describe('quantization_config', () => {
  const read = (content) => () => quantizationOf(content, 'config.json', { allowed: true })
  const written = quantizationConfig({ bits: 4, group: 32, symmetric: false, ignore: ['lm_head'] })
  const changed = (weights, keys = {}) => {
    const { quantization_config: config } = structuredClone(written)
    Object.assign(config.config_groups.group_0.weights, weights)
    return { quantization_config: { ...config, ...keys } }
  }

  test('is read as it was written, and absent is nothing', () => {
    assert.deepEqual(read(written)(), { bits: 4, group: 32, symmetric: false, ignore: ['lm_head'] })
    assert.equal(read({})(), undefined)
    assert.equal(read({ quantization_config: null })(), undefined)
  })

  test('of other layouts is refused by the key that says so', () => {
    assert.throws(read(changed({}, { quant_method: 'gptq' })), /quant_method: expected "compressed-tensors"/)
    assert.throws(read(changed({}, { format: 'int-quantized' })), /format: expected "pack-quantized"/)
    assert.throws(read(changed({ num_bits: 3 })), /weights.num_bits: expected 4 or 8/)
    assert.throws(read(changed({ type: 'float' })), /weights.type: expected "int"/)
    assert.throws(read(changed({ strategy: 'tensor' })), /weights.strategy: expected "group" or "channel"/)
    assert.throws(read(changed({ actorder: 'group' })), /weights.actorder: expected groups in the order/)
  })
})

describe('a quantised model', () => {
  const root = temporaryFolder()
  let given, model
  before(async () => {
    given = await tinyCompression(join(root, 'inputs'))
    const stages = [
      { method: 'prune', sparsity: 0.5 },
      { method: 'quantize', group: 8, symmetric: false },
    ]
    model = (await compress({ ...given, out: join(root, 'run'), stages }).result).model
  })

  test('is counted by its weights, and by the bytes that are on disk', async () => {
    const stored = readTensors(join(model, 'model.safetensors'))
    const [found, dense] = [await inspect(model), await inspect(given.model)]
    assert.equal(found.parameters.total, dense.parameters.total)
    assert.ok(found.parameters.nonzero < dense.parameters.nonzero)
    const bytes = Object.values(stored).reduce((sum, tensor) => sum + tensor.bytes.length, 0)
    assert.equal(found.bytes, bytes)
    assert.equal(found.tensors.filter(({ dtype }) => dtype === 'I4').length, 7 * layersOf(model))
    assert.ok(found.tensors.every(({ name }) => !isPackedPart(name)))
  })

  test('answers and writes as the dense model does that holds the products of its numbers', async () => {
    const dense = join(root, 'dense')
    writeDense(dense, model)
    for (const dtype of ['float32', 'bfloat16']) {
      const [packed, plain] = await Promise.all(
        [model, dense].map(async (folder) => {
          const loaded = await loadModel(folder, { dtype, threads: 1 })
          const { data } = await loaded.logits(ROWS)
          const options = { maxNewTokens: 12, temperature: 0, stopIds: [] }
          const [{ ids }] = await loaded.generateIds([[3, 4, 5]], options)
          await loaded.dispose()
          return { data, ids }
        }),
      )
      assert.deepEqual(packed, plain)
    }
  })

  test('is held against what its config.json says of it', async () => {
    const tensors = readTensors(join(model, 'model.safetensors'))
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
    let made = 0
    const loads = (changes, kept = () => true) => {
      const folder = join(root, `other-${made++}`)
      cpSync(model, folder, { recursive: true })
      const quantization_config =
        changes &&
        quantizationConfig({ bits: 4, group: 8, symmetric: false, ignore: ['lm_head'], ...changes })
          .quantization_config
      writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, quantization_config }))
      const written = Object.entries(tensors).filter(([name]) => kept(name))
      writeTensors(
        join(folder, 'model.safetensors'),
        written.map(([name, tensor]) => ({ name, ...tensor })),
      )
      return loadModel(folder, { threads: 1 })
    }
    await (await loads({})).dispose()
    for (const [changes, code, message] of [
      [
        { bits: 8 },
        'ERR_SHAPE_MISMATCH',
        /Expected 8 bits a weight for .*weight, as config\.json says, received 4/,
      ],
      [{ group: 16 }, 'ERR_SHAPE_MISMATCH', /a scale for each 16 of 32 inputs .* received 4 scales/],
      [{ group: 0 }, 'ERR_SHAPE_MISMATCH', /a scale for each 32 of 32 inputs/],
      [undefined, 'ERR_UNEXPECTED_TENSOR', /weights that are not quantised .* received packed ones/],
    ])
      await assert.rejects(loads(changes), { code, message })
    const withoutZeros = loads({}, (name) => !name.endsWith('_zero_point'))
    await assert.rejects(withoutZeros, {
      code: 'ERR_MISSING_TENSOR',
      message: /zero points for .*weight_zero_point/,
    })
  })

  test('is refused by what changes weights: train, LoRA, adapter merge, vocab extend', async () => {
    const { recovery, data_cache } = given
    const config = { ...recovery, data_cache, out: join(root, 'trained') }
    await refusesNumbers(() => train({ ...config, model }).result)
    await refusesNumbers(() => train({ ...config, model, lora: { rank: 2 } }).result)
    const distil = { ...config, objective: 'distil', model: given.model, teacher: model }
    await refusesNumbers(() => train(distil).result)
    await refusesNumbers(() => mergeAdapter({ model, adapter: root, out: join(root, 'merged') }))
    const more = { specialTokens: ['<user>'], out: join(root, 'extended') }
    await refusesNumbers(() => extendVocabulary({ model, ...more }))
  })

  test('is refused by delta extract and apply, and by a graft on a loaded model', async () => {
    await refusesNumbers(() => extractDelta({ base: given.model, chat: model, out: join(root, 'delta') }))
    const delta = join(root, 'a.delta')
    await extractDelta({ base: given.model, chat: given.model, out: delta })
    await refusesNumbers(() => applyDelta({ target: model, delta, out: join(root, 'applied') }))
    const loaded = await loadModel(model, { threads: 1 })
    await refusesNumbers(() => loaded.graft(delta))
    await loaded.dispose()
  })

  test('is refused by merge, graft, compress', async () => {
    const models = [{ model }, { model: given.model }]
    await refusesNumbers(() =>
      merge(
        { merge_method: 'linear', models: models.map((one) => ({ ...one, parameters: { weight: 1 } })) },
        { out: join(root, 'merged') },
      ),
    )
    const inputs = { base: given.model, chat: given.model, target: model }
    await refusesNumbers(() => graft({ ...inputs, out: join(root, 'grafted') }))
    const stages = [{ method: 'prune', sparsity: 0.5 }]
    await refusesNumbers(() => compress({ ...given, model, out: join(root, 'again'), stages }).result)
  })

  test('is where a pipeline ends', async () => {
    const stages = [
      { method: 'quantize', bits: 8 },
      { method: 'prune', sparsity: 0.5 },
    ]
    const run = compress({ ...given, out: join(root, 'more'), stages }, { dryRun: true }).result
    await assert.rejects(run, (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /stages.1.method: expected nothing after quantize, received prune/)
      assert.match(error.hint, /make quantize the last stage/)
      return true
    })
  })
})

const layersOf = (model) => JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')).num_hidden_layers
