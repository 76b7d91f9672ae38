// Merges by config on whole model folders: values against arithmetic done here, and the files of the result.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compress, mergeAdapter } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { MERGE_METHODS } from '#lib/config/merge_methods'
import { runJob } from '#lib/native'
import { clone } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { arrays, json, linear, runs, tinyMerges, weights } from '../helpers/tiny_merges.mjs'

const { root, a, b, c, tied, out, run, refuses } = await tinyMerges()

/** Equal to a unit in the last place of float32. */
function assertNear(received, expected, name) {
  for (const [i, value] of received.entries())
    assert.ok(
      Math.abs(value - expected[i]) <= 2 ** -23 * Math.abs(expected[i]) + 1e-12,
      `${name}[${i}]: ${value} and ${expected[i]}`,
    )
}

/** Rounded to bfloat16, ties to even. */
function toBf16(value) {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer)
  const rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000
  return new Float32Array(Uint32Array.of(rounded).buffer)[0]
}

test('the table of methods and the native registry have the same methods, with the same needs', async () => {
  const registry = await runJob('mergeMethods', {})
  const rows = registry.map(({ name, base, min_inputs, max_inputs }) => [
    name,
    [base, min_inputs, max_inputs],
  ])
  const most = (value) => (Number.isFinite(value) ? value : 2 ** 31 - 1)
  const table = Object.entries(MERGE_METHODS).map(
    ([
      name,
      {
        base,
        inputs: { least, most: end },
      },
    ]) => [name, [base, least, most(end)]],
  )
  assert.deepEqual(Object.fromEntries(rows), Object.fromEntries(table))
})
test('linear is the weighted mean, by gradient over depth and by part of the name', async () => {
  const weight = [{ filter: 'mlp', value: [0, 3] }, { filter: 'norm', value: 2 }, { value: 0.5 }]
  const models = [{ model: a, parameters: { weight } }, { model: b }]
  const { out: folder, ...report } = await run(linear(models))
  const [got, ours, theirs] = [folder, a, b].map(arrays)
  for (const name of Object.keys(ours)) {
    const layer = Number(/layers\.(\d)/.exec(name)?.[1])
    const w = name.includes('mlp') ? layer : name.includes('norm') ? 2 : 0.5
    const expected = ours[name].data.map((value, i) => (w * value + theirs[name].data[i]) / (w + 1))
    assertNear(got[name].data, expected, name)
  }
  assert.equal(report.tensors, Object.keys(ours).length)
  assert.equal(report.tensors_merged, report.tensors)
  assert.equal(report.nonfinite, 0)
  await runs(folder)
})

test('task arithmetic adds weighted deltas to a base that need not be listed', async () => {
  const config = {
    merge_method: 'task_arithmetic',
    base_model: c,
    models: [
      { model: a, parameters: { weight: 0.7 } },
      { model: b, parameters: { weight: -0.2 } },
    ],
    parameters: { lambda: 1.5 },
  }
  const { out: folder } = await run(config)
  const [got, one, two, base] = [folder, a, b, c].map(arrays)
  for (const name of Object.keys(base)) {
    const expected = base[name].data.map(
      (value, i) => value + 1.5 * (0.7 * (one[name].data[i] - value) - 0.2 * (two[name].data[i] - value)),
    )
    for (const [i, value] of got[name].data.entries())
      assert.ok(Math.abs(value - expected[i]) <= 1e-6, `${name}[${i}]: ${value} and ${expected[i]}`)
  }
})

test('a model merged with itself is itself, byte for byte', async () => {
  const cases = {
    linear: { weight: 0.5 },
    slerp: { t: 0.3 },
    task_arithmetic: { weight: 1 },
    ties: { weight: 1, density: 0.5 },
    dare_ties: { weight: 1, density: 0.5 },
    passthrough: {},
  }
  for (const [merge_method, parameters] of Object.entries(cases)) {
    const models = [{ model: a }, ...(merge_method === 'linear' ? [{ model: a }] : [])]
    const base = ['linear', 'passthrough', 'slerp'].includes(merge_method) ? {} : { base_model: a }
    if (merge_method === 'slerp' || base.base_model) continue // the base and the model would be one entry
    const { out: folder } = await run({ merge_method, models, parameters, ...base })
    assert.ok(weights(folder).equals(weights(a)), merge_method)
  }
  const copy = join(root, 'copy')
  cpSync(a, copy, { recursive: true })
  for (const merge_method of ['slerp', 'task_arithmetic', 'ties', 'dare_ties']) {
    const parameters = cases[merge_method]
    const { out: folder } = await run({
      merge_method,
      base_model: a,
      models: [{ model: copy }],
      parameters,
    })
    assert.ok(weights(folder).equals(weights(a)), merge_method)
  }
})

test('slices stack layers byte for byte, and config.json says how many', async () => {
  const slices = [
    { sources: [{ model: a, layer_range: [0, 2] }] },
    { sources: [{ model: b, layer_range: [1, 4] }] },
  ]
  const { out: folder, layers } = await run({ merge_method: 'passthrough', slices })
  const [got, one, two] = [folder, a, b].map(arrays)
  assert.equal(layers, 5)
  assert.equal(json(folder, 'config.json').num_hidden_layers, 5)
  const same = (name, from, model) => assert.deepEqual(got[name].data, model[from].data, name)
  for (const suffix of ['mlp.up_proj.weight', 'input_layernorm.weight']) {
    for (const i of [0, 1]) same(`model.layers.${i}.${suffix}`, `model.layers.${i}.${suffix}`, one)
    for (const i of [1, 2, 3]) same(`model.layers.${i + 1}.${suffix}`, `model.layers.${i}.${suffix}`, two)
  }
  same('model.embed_tokens.weight', 'model.embed_tokens.weight', one)
  for (const name of ['model.norm.weight', 'lm_head.weight']) same(name, name, two)
  await runs(folder)
})

test('stacked layers of unequal size are listed, each as it is, wherever it goes', async () => {
  const given = await tinyCompression(join(root, 'compression'), { layers: 4 })
  const stages = [{ method: 'heads', heads: { 1: [0], 3: [1, 2] } }]
  const config = { ...given, model: b, recovery: undefined, stages, out: join(root, 'fewer-heads') }
  const { model: fewer } = await compress(config).result
  const slices = [
    { sources: [{ model: a, layer_range: [1, 2] }] },
    { sources: [{ model: fewer, layer_range: [2, 4] }] },
    { sources: [{ model: fewer, layer_range: [0, 2] }] },
  ]
  const { out: folder, warnings } = await run({ merge_method: 'passthrough', slices })
  const { model_type, layers } = json(folder, 'config.json')
  assert.equal(model_type, 'tongueforge_llama')
  assert.deepEqual(
    layers.map(({ num_attention_heads }) => num_attention_heads),
    [4, 4, 2, 4, 3],
  )
  assert.ok(warnings.some((warning) => /layers differ in size/.test(warning)))
  await runs(folder)
  const even = slices.slice(0, 1).concat({ sources: [{ model: fewer, layer_range: [0, 1] }] })
  const { out: stock, warnings: none } = await run({ merge_method: 'passthrough', slices: even })
  assert.equal(json(stock, 'config.json').model_type, 'llama')
  assert.deepEqual(none, [])
  await runs(stock)
  const sources = [a, fewer].map((model) => ({ model, layer_range: [1, 2] }))
  await refuses(
    { ...linear(undefined), slices: [{ sources }] },
    {
      code: 'ERR_SHAPE_MISMATCH',
      message: /num_heads 4 \(layer 1 of .*a\) and 3 \(layer 1 of .*fewer-heads\/model\)/,
    },
  )
})

test('a result has one dtype, that of base_model or of the first model', async () => {
  const { out: half } = await run(linear([{ model: b }], { dtype: 'bfloat16' }))
  const range = { layer_range: [0, 2] }
  const stacked = (...models) => ({
    merge_method: 'passthrough',
    slices: models.map((model) => ({ sources: [{ model, ...range }] })),
  })
  for (const [config, dtype, name] of [
    [stacked(a, half), 'F32', 'float32'],
    [stacked(half, a), 'BF16', 'bfloat16'],
    [{ ...stacked(half, a), base_model: a }, 'F32', 'float32'],
    [linear([{ model: half }, { model: a }]), 'BF16', 'bfloat16'],
    [linear([{ model: half }, { model: a }], { base_model: a }), 'F32', 'float32'],
  ]) {
    const { out: folder } = await run(config)
    const { tensors } = await runJob('inspectWeights', { folder, scan: false })
    assert.deepEqual([...new Set(tensors.map((tensor) => tensor.dtype))], [dtype])
    assert.equal(json(folder, 'config.json').torch_dtype, name)
  }
})

test('layers take their kind of attention along', async () => {
  const windows = ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention']
  const qwen = join(root, 'qwen')
  cpSync(join(clone, 'test/golden/decoder/qwen2_sliding_window'), qwen, { recursive: true })
  const { layer_types, num_hidden_layers: count } = json(qwen, 'config.json')
  const types = layer_types ?? windows.slice(0, count)
  const slices = [count - 1, 0].map((i) => ({ sources: [{ model: qwen, layer_range: [i, i + 1] }] }))
  const { out: folder } = await run({ merge_method: 'passthrough', slices })
  const config = json(folder, 'config.json')
  assert.deepEqual(config.layer_types, [types[count - 1], types[0]])
  await runs(folder)
})

test('of models that are merged layer by layer the base, or the first, says which layers have a window', async () => {
  const sliding = join(clone, 'test/golden/decoder/qwen2_sliding_window')
  const plain = join(root, 'qwen-plain')
  cpSync(sliding, plain, { recursive: true })
  const { layer_types: _, ...config } = json(sliding, 'config.json')
  const full = { ...config, use_sliding_window: false, sliding_window: null }
  writeFileSync(join(plain, 'config.json'), JSON.stringify(full))
  const kinds = (folder) => {
    const { layers } = decoderSpec(json(folder, 'config.json'))
    return layers.map(({ window }) => window)
  }
  assert.ok(kinds(sliding).some((window) => window > 0))
  for (const [base_model, other] of [
    [sliding, plain],
    [plain, sliding],
  ]) {
    const config = { merge_method: 'task_arithmetic', base_model, parameters: { weight: 1 } }
    const { out: folder } = await run({ ...config, models: [{ model: other }] })
    assert.deepEqual(kinds(folder), kinds(base_model))
  }
})

test('a tied and an untied model give an untied one, tied ones a tied one', async () => {
  const { out: folder, head } = await run(linear([{ model: tied }, { model: a }]))
  assert.ok(head)
  assert.equal(json(folder, 'config.json').tie_word_embeddings, false)
  const [got, one, two] = [folder, tied, a].map(arrays)
  const embedding = one['model.embed_tokens.weight'].data
  const expected = embedding.map((value, i) => (value + two['lm_head.weight'].data[i]) / 2)
  assertNear(got['lm_head.weight'].data, expected, 'lm_head.weight')
  const both = await run(linear([{ model: tied }, { model: tied }]))
  assert.equal(both.head, false)
  assert.equal(arrays(both.out)['lm_head.weight'], undefined)
  assert.equal(json(both.out, 'config.json').tie_word_embeddings, true)
  for (const made of [folder, both.out]) await runs(made)
})

test('dtype and out_dtype are those of the result, rounded once', async () => {
  const { out: folder } = await run(linear([{ model: a }, { model: b }], { dtype: 'bfloat16' }))
  const { out: exact } = await run(linear([{ model: a }, { model: b }]))
  assert.equal(json(folder, 'config.json').torch_dtype, 'bfloat16')
  const [got, full] = [folder, exact].map(arrays)
  for (const name of Object.keys(full)) assert.deepEqual(got[name].data, full[name].data.map(toBf16), name)
  await runs(folder)
  const { tensors } = await runJob('inspectWeights', { folder, scan: false })
  assert.ok(tensors.every(({ dtype }) => dtype === 'BF16'))
})

test('shard_size cuts the result into files with an index', async () => {
  const { out: folder, shards } = await run(linear([{ model: a }, { model: b }], { shard_size: '200kB' }))
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'))
  assert.equal(files.length, shards)
  assert.ok(shards > 1)
  const { weight_map, metadata } = json(folder, 'model.safetensors.index.json')
  assert.deepEqual(Object.keys(weight_map).sort(), Object.keys(arrays(a)).sort())
  const { total_bytes } = await runJob('inspectWeights', { folder, scan: false })
  assert.equal(metadata.total_size, total_bytes)
  await runs(folder)
})

test('a seed decides what is dropped, and nothing else does', async () => {
  const dare = (seed, shard_size) => ({
    merge_method: 'dare_linear',
    base_model: c,
    models: [{ model: a }, { model: b }],
    parameters: { weight: 0.5, density: 0.5 },
    seed,
    shard_size,
  })
  const made = await Promise.all([dare(1), dare(1), dare(2)].map((config) => run(config)))
  const [one, again, other] = made.map(({ out: folder }) => weights(folder))
  assert.ok(one.equals(again))
  assert.ok(!one.equals(other))
})

test('a LoRA reference is merged on the way: as `adapter merge` would have written it', async () => {
  const golden = (name) => join(clone, 'test/golden', name)
  const [base, adapter] = [golden('decoder/llama'), golden('adapter/llama')]
  const { out: merged } = await mergeAdapter({ model: base, adapter, out: out() })
  const passed = await run({ merge_method: 'passthrough', models: [{ model: `${base}+${adapter}` }] })
  const [got, expected] = [passed.out, merged].map(arrays)
  for (const name of Object.keys(expected)) assert.deepEqual(got[name].data, expected[name].data, name)
  const roles = json(passed.out, 'provenance.json').inputs.map(({ role }) => role)
  assert.deepEqual(roles, ['model 1', 'adapter of model 1'])
})

dataTest(
  'stories260K merged with itself keeps its bytes, and a stack of its layers runs',
  'models/stories260K_hf',
  async (_t, model) => {
    const copy = join(root, 'stories')
    cpSync(model, copy, { recursive: true })
    const both = [{ model }, { model: copy }]
    const { out: same } = await run(linear(both, { parameters: { weight: 0.5 } }))
    assert.ok(weights(same).equals(weights(model)))
    const parameters = { weight: 1, density: 0.3 }
    const ties = { merge_method: 'ties', base_model: model, models: [{ model: copy }], parameters }
    assert.ok(weights((await run(ties)).out).equals(weights(model)))
    const { num_hidden_layers: count } = json(model, 'config.json')
    const ranges = [
      [0, count - 1],
      [1, count],
    ]
    const slices = ranges.map((layer_range) => ({ sources: [{ model, layer_range }] }))
    const stacked = await run({ merge_method: 'passthrough', slices })
    assert.equal(stacked.layers, 2 * (count - 1))
    await runs(stacked.out)
  },
)
