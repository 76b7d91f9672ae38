// Merges by config on whole model folders: values against arithmetic done here, and the files of the result.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel, merge, mergeAdapter, verify } from 'tongueforge'
import { MERGE_METHODS } from '#lib/config/merge_methods'
import { parseYaml } from '#lib/config/parse'
import { runJob } from '#lib/native'
import { cli, clone } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
const arrays = (folder) => readArrays(join(folder, 'model.safetensors'))
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

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

async function runs(folder) {
  const model = await loadModel(folder, { threads: 1 })
  const { data } = await model.logits([[1, 2, 3]])
  await model.dispose()
  assert.ok(Array.from(data).every(Number.isFinite))
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

describe('merge', () => {
  const root = temporaryFolder()
  const [a, b, c, tied, deep] = ['a', 'b', 'c', 'tied', 'deep'].map((name) => join(root, name))
  let made = 0
  const out = () => join(root, `out-${made++}`)
  const run = (config, options) => merge(config, { out: out(), ...options })
  const linear = (models, more) => ({ merge_method: 'linear', models, parameters: { weight: 1 }, ...more })
  const refuses = async (config, expected, options) => {
    const place = out()
    await assert.rejects(merge(config, { out: place, ...options }), expected)
    assert.ok(!existsSync(place))
  }

  before(async () => {
    for (const [i, folder] of [a, b, c].entries()) await writeTinyModel(folder, { seed: i + 1, layers: 4 })
    await writeTinyModel(tied, { seed: 4, layers: 4, tied: true })
    await writeTinyModel(deep, { seed: 5, layers: 5 })
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

  test('resolved.yaml is the config with its defaults, and gives the same bytes', async () => {
    const { out: folder } = await run(linear([{ model: a }, { model: b }], { tokenizer: { source: 'base' } }))
    const file = join(folder, 'resolved.yaml')
    const resolved = parseYaml(readFileSync(file, 'utf8'), file)
    assert.equal(Object.keys(resolved)[0], 'verb')
    assert.equal(resolved.seed, 0)
    assert.equal(resolved.models[0].model, a)
    const again = await run(file)
    assert.ok(weights(again.out).equals(weights(folder)))
  })

  test('the result tells its origin, and takes the small files of base_model, else of the first model', async () => {
    const { out: folder } = await run(linear([{ model: a }, { model: b }]))
    const { inputs, numerics } = json(folder, 'provenance.json')
    assert.deepEqual(
      inputs.map(({ role, path }) => [role, path]),
      [
        ['model 1', a],
        ['model 2', b],
      ],
    )
    for (const { files } of inputs) assert.match(files[0].sha256, /^[0-9a-f]{64}$/)
    assert.match(numerics.arithmetic, /one rounding/)
    assert.equal(json(folder, 'report.json').method, 'linear')
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
      assert.equal(readFileSync(join(folder, name), 'utf8'), readFileSync(join(a, name), 'utf8'), name)
    assert.match(readFileSync(join(folder, 'README.md'), 'utf8'), /2 models merged by linear/)
  })

  test('verify makes the weights again from resolved.yaml, and finds a changed byte', async () => {
    const config = {
      merge_method: 'dare_ties',
      base_model: c,
      models: [{ model: a }, { model: b }],
      parameters: { weight: 0.5, density: 0.5 },
      dtype: 'bfloat16',
    }
    const { out: folder } = await run(config)
    const { ok, notes, chunks_checked } = await verify(folder, { chunks: Number.POSITIVE_INFINITY })
    assert.deepEqual([ok, notes], [true, []])
    assert.ok(chunks_checked > 0)
    const bytes = weights(folder)
    bytes[bytes.length - 5] ^= 1
    writeFileSync(join(folder, 'model.safetensors'), bytes)
    const changed = await verify(folder, { chunks: Number.POSITIVE_INFINITY })
    assert.equal(changed.ok, false)
    assert.equal(changed.mismatches.length, 1)
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

  test('a dry run tells the plan and writes nothing', async () => {
    const place = out()
    const report = await merge(linear([{ model: a }, { model: b }]), { out: place, dryRun: true })
    const { bytes_to_read, bytes_to_write, peak_memory_bytes, shards, dry_run } = report
    assert.ok(!existsSync(place))
    assert.equal(dry_run, true)
    assert.equal(bytes_to_write, weights(a).length)
    assert.ok(bytes_to_read > 1.9 * bytes_to_write && bytes_to_read < 2 * bytes_to_write)
    assert.ok(peak_memory_bytes > 0)
    assert.equal(shards, 1)
  })

  test('progress ends at its total, and an aborted merge leaves nothing', async () => {
    let last
    await run(linear([{ model: a }, { model: b }]), { onProgress: (progress) => (last = progress) })
    assert.equal(last.done_bytes, last.total_bytes)
    const stop = new AbortController()
    const reason = new Error('enough')
    const place = out()
    const signal = stop.signal
    await assert.rejects(
      merge(linear([{ model: a }, { model: b }]), {
        out: place,
        signal,
        onProgress: () => stop.abort(reason),
      }),
      reason,
    )
    assert.ok(!existsSync(place))
    assert.ok(!readdirSync(root).some((name) => name.startsWith('.tmp-')))
  })

  test('a merge that was stopped goes on with --resume, to the same bytes', async () => {
    const config = linear([{ model: a }, { model: b }], { shard_size: '100kB' })
    const whole = await run(config)
    const place = out()
    const stop = new AbortController()
    await assert.rejects(
      merge(config, { out: place, resume: true, signal: stop.signal, onProgress: () => stop.abort() }),
    )
    assert.ok(!existsSync(place))
    const resumed = await merge(config, { out: place, resume: true })
    for (const name of readdirSync(whole.out).filter((file) => file.includes('safetensors')))
      assert.ok(readFileSync(join(place, name)).equals(readFileSync(join(whole.out, name))), name)
    assert.equal(resumed.bytes_written, whole.bytes_written)
    assert.ok(!readdirSync(root).some((name) => name.startsWith('.tmp-')))
  })

  test('the command prints the report, and leaves a config that is wrong with exit code 2', async () => {
    const file = join(root, 'm.yaml')
    writeFileSync(
      file,
      `merge_method: linear\nparameters: { weight: 1 }\nmodels: [{ model: ${a} }, { model: ${b} }]\n`,
    )
    const place = out()
    const done = await cli(['merge', file, place, '--json'])
    assert.equal(done.code, 0, done.err)
    assert.equal(JSON.parse(done.out).out, place)
    assert.ok(existsSync(join(place, 'model.safetensors')))
    writeFileSync(file, 'merge_method: linear\nmodls: []\n')
    const wrong = await cli(['merge', file, out(), '--json'])
    assert.equal(wrong.code, 2)
    const { error } = JSON.parse(wrong.out)
    assert.equal(error.hint, "Did you mean 'models'?")
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

  describe('refuses', () => {
    test('models of other families', async () => {
      const qwen = join(clone, 'test/golden/decoder/qwen2')
      await refuses(linear([{ model: a }, { model: qwen }]), {
        code: 'ERR_ARCHITECTURE',
        message: /llama .* and qwen2/,
        hint: /one family/,
      })
    })

    test('models of another size, by tensor and with both shapes', async () => {
      const wide = join(root, 'wide')
      await writeTinyModel(wide, { layers: 4, width: 64 })
      await refuses(linear([{ model: a }, { model: wide }]), {
        code: 'ERR_SHAPE_MISMATCH',
        message: /head_dim/,
      })
      const config = json(wide, 'config.json')
      const narrow = { ...config, head_dim: 8, hidden_size: 32 }
      writeFileSync(join(wide, 'config.json'), JSON.stringify(narrow))
      await refuses(linear([{ model: a }, { model: wide }]), {
        code: 'ERR_SHAPE_MISMATCH',
        message: /model.embed_tokens.weight in .*: \[\d+, 32\]; .*: \[\d+, 64\]/,
        hint: /one size/,
      })
    })

    test('models of unequal depth', async () => {
      await refuses(linear([{ model: a }, { model: deep }]), { code: 'ERR_CONFIG', hint: /slices/ })
    })

    test('a filter that no tensor has in its name', async () => {
      const weight = [{ filter: 'self_attm', value: 1 }, { value: 0.5 }]
      await refuses(linear([{ model: a }, { model: b }], { parameters: { weight } }), {
        code: 'ERR_CONFIG',
        message: /parameters.weight: no tensor has 'self_attm' in its name/,
        hint: "Did you mean 'self_attn'?",
      })
    })

    test('an output that is an input, and one that is there', async () => {
      await assert.rejects(merge(linear([{ model: a }]), { out: a, overwrite: true }), { code: 'ERR_USAGE' })
      await assert.rejects(merge(linear([{ model: a }]), { out: b }), { code: 'ERR_EXISTS' })
    })

    test('a revision of the hub, with what to do', async () => {
      await refuses(linear([{ model: `${a}@main` }]), { code: 'ERR_CONFIG', hint: /hf download/ })
    })

    test('weights that are no floats', async () => {
      const whole = join(root, 'whole')
      cpSync(a, whole, { recursive: true })
      const bytes = weights(whole)
      const at = bytes.indexOf('"F32"')
      bytes.write('"I32"', at)
      writeFileSync(join(whole, 'model.safetensors'), bytes)
      await refuses(linear([{ model: a }, { model: whole }]), {
        code: 'ERR_DTYPE',
        message: /I32/,
        hint: /out_dtype/,
      })
      rmSync(whole, { recursive: true })
    })
  })
})
