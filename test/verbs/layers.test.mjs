// Models whose blocks differ: from their folder into memory and back.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { withLayers } from '#lib/checkpoint/layer_config'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { runJob } from '#lib/native'
import { inspect, loadModel } from '../../index.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 40,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
}
const layers = [
  { num_heads: 4, num_kv_heads: 2, intermediate_size: 24, window: 0, ranks: { 'mlp.up_proj': 3 } },
  { num_heads: 2, num_kv_heads: 1, intermediate_size: 8, window: 0, ranks: {} },
]
const init = {
  seed: 3,
  embedding_std: 1,
  matrix_std: 0.2,
  matrix_gain: 1,
  attention_output_gain: 1,
  mlp_output_gain: 1,
  correlation: 0,
  related_rows: [],
}

describe('a model whose blocks differ', () => {
  const root = temporaryFolder()
  const folder = join(root, 'mixed')
  const content = withLayers(config, layers, { head_dim: 4 })

  before(async () => {
    mkdirSync(folder)
    const model = await runJob('initialiseModel', { spec: decoderSpec(content), init, threads: 1 })
    await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
    writeFileSync(join(folder, 'config.json'), JSON.stringify(content))
  })

  test('loads, runs and tells its blocks', async () => {
    const model = await loadModel(folder)
    const { shape } = await model.logits([[1, 2, 3]])
    assert.deepEqual(shape, [1, 3, 40])
    const [{ ids }] = await model.generateIds([[1, 2]], { maxNewTokens: 4, stopIds: [] })
    assert.equal(ids.length, 4)
    await model.dispose()
    const handle = await runJob('loadModel', {
      folder,
      spec: decoderSpec(content),
      dtype: 'float32',
      threads: 1,
    })
    const described = await runJob('describeBlocks', { model: handle })
    assert.deepEqual(
      described,
      layers.map(({ window: _, ...layer }) => layer),
    )
  })

  test('goes back to a folder byte for byte', async () => {
    const again = join(root, 'again')
    mkdirSync(again)
    const model = await runJob('loadModel', {
      folder,
      spec: decoderSpec(content),
      dtype: 'float32',
      threads: 1,
    })
    await runJob('saveModel', { model, folder: again, dtype: 'float32', max_shard_bytes: 1e9 })
    const weights = (place) => readFileSync(join(place, 'model.safetensors'))
    assert.ok(weights(again).equals(weights(folder)))
  })

  test('is inspected under the names of its two factors', async () => {
    const { architecture, tensors, parameters } = await inspect(folder)
    assert.equal(architecture, 'llama')
    const shapes = Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]))
    assert.deepEqual(shapes['model.layers.0.mlp.up_proj.in.weight'], [3, 16])
    assert.deepEqual(shapes['model.layers.0.mlp.up_proj.out.weight'], [24, 3])
    assert.deepEqual(shapes['model.layers.1.self_attn.o_proj.weight'], [16, 8])
    assert.equal(
      parameters.total,
      tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0),
    )
  })

  test('with sizes that its weights have not is refused by tensor', async () => {
    const other = join(root, 'other')
    cpSync(folder, other, { recursive: true })
    const wrong = structuredClone(content)
    wrong.layers[1].intermediate_size = 9
    writeFileSync(join(other, 'config.json'), JSON.stringify(wrong))
    await assert.rejects(loadModel(other), (error) => {
      assert.equal(error.code, 'ERR_SHAPE_MISMATCH')
      assert.match(
        error.message,
        /\[9, 16\] for model\.layers\.1\.mlp\.gate_proj\.weight, received \[8, 16\]/,
      )
      return true
    })
  })
})
