// Training adapters, and training with some parameters frozen: what changes, what does not, and what comes out.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel, mergeAdapter } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const file = (folder) => join(folder, 'model.safetensors')
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const adapterBytes = (folder) => readFileSync(join(folder, 'adapter_model.safetensors'))
const bytesOf = ({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
const IDS = [[1, 5, 9, 12, 7, 20, 3]]

describe('frozen parameters and adapters', () => {
  const root = temporaryFolder({
    'corpus.txt': ['anna', 'boris', 'clara', 'hugo'].map((n) => `the color of ${n} is red .`).join('\n\n'),
  })
  const model = join(root, 'model')
  let made = 0
  const config = (changes = {}) => ({
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: join(root, 'corpus.txt') }],
    sequence_length: 32,
    batch_size: 2,
    steps: 6,
    optimizer: { lr: 1e-2 },
    schedule: { warmup: 0 },
    threads: 1,
    ...changes,
  })
  const run = (options, more) => train(options, more).result
  const logits = async (folder, options) => {
    const loaded = await loadModel(folder, { threads: 1, ...options })
    const { data } = await loaded.logits(IDS)
    await loaded.dispose()
    return data
  }

  before(() => writeTinyModel(model))

  test('frozen parameters keep every bit, the others change, and both are counted', async () => {
    const freeze = ['model.embed_tokens.*', '*.layers.0.*', '*.mlp.*']
    const { model: trained, report } = await run(config({ freeze }))
    const [was, is] = [readArrays(file(model)), readArrays(file(trained))]
    let changed = 0
    for (const [name, array] of Object.entries(is)) {
      const frozen = /embed_tokens|layers\.0\.|\.mlp\./.test(name)
      assert.equal(bytesOf(array).equals(bytesOf(was[name])), frozen, name)
      if (!frozen) changed += array.data.length
    }
    const { parameters, trained_parameters, memory_bytes, checkpoint_bytes } = report.plan
    assert.equal(trained_parameters, changed)
    assert.equal(memory_bytes, 4 * parameters + 12 * changed)
    assert.equal(checkpoint_bytes, 12 * changed)
  })

  test('a pattern that matches nothing is refused with the nearest names; so is freezing everything', async () => {
    await assert.rejects(run(config({ freeze: ['model.embed_token.weight'] }), { dryRun: true }), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /freeze\.0: 'model\.embed_token\.weight' matches nothing/)
      assert.match(error.hint, /model\.embed_tokens\.weight/)
      return true
    })
    await assert.rejects(run(config({ freeze: ['*'] }), { dryRun: true }), {
      code: 'ERR_CONFIG',
      message: /all is frozen/,
    })
    await assert.rejects(run(config({ lora: { targets: ['q_prj'] } }), { dryRun: true }), {
      code: 'ERR_CONFIG',
      hint: /q_proj/,
    })
  })

  test('keys that contradict each other are refused by name', async () => {
    const cases = [
      [{ lora: {}, freeze: ['*norm*'] }, /freeze: expected no freeze beside lora/],
      [{ lora: { also: ['*.q_proj.weight'] } }, /lora\.also/],
      [{ adapter: model }, /adapter: expected lora beside it/],
      [{ lora: { dropout: 1 } }, /lora\.dropout: expected a number from 0 to below 1/],
      [{ lora: { rank: 0 } }, /lora\.rank: expected a whole number from 1/],
    ]
    for (const [changes, message] of cases)
      await assert.rejects(run(config(changes), { dryRun: true }), { code: 'ERR_CONFIG', message })
  })

  test('the base is not touched: merging what was trained gives model/, byte for byte', async () => {
    const { adapter, model: merged, report } = await run(config({ lora: { rank: 4 } }))
    const { out } = await mergeAdapter({ model, adapter, out: join(root, 'merged') })
    assert.ok(readFileSync(file(out)).equals(readFileSync(file(merged))))
    for (const [name, array] of Object.entries(readArrays(file(merged)))) {
      const target = /_proj\.weight$/.test(name)
      assert.equal(!bytesOf(array).equals(bytesOf(readArrays(file(model))[name])), target, name)
    }
    const { plan, drift } = report
    const adapterNumbers = Object.values(readArrays(join(adapter, 'adapter_model.safetensors')))
    assert.equal(
      plan.trained_parameters,
      adapterNumbers.reduce((sum, { data }) => sum + data.length, 0),
    )
    assert.ok(drift.weights.max_relative > 0 && drift.weights.max_relative < 6e-8, 'half a unit of float32')
    assert.ok(drift.logits.max_relative < 1e-5)
    assert.equal(drift.logit_tokens, 32)
    assertClose(await logits(merged), await logits(model, { adapter }), 1e-5)
    assert.notDeepEqual(await logits(merged), await logits(model))
  })

  test('of a bfloat16 base the merged model is bfloat16, and the drift says what that costs', async () => {
    const half = (await run(config({ dtype: 'bfloat16', steps: 1 }))).model
    const options = config({ model: half, lora: {} })
    const { model: merged, report } = await run(options)
    assert.equal(json(merged, 'config.json').torch_dtype, 'bfloat16')
    const untouched = await loadModel(merged, { threads: 1 })
    await untouched.dispose()
    assert.ok(report.drift.weights.mean_relative > 1e-4 && report.drift.weights.max_relative < 2 ** -8)
  })

  test('the rank-0 law: before the first update the model with its adapter is the base, bit for bit', async () => {
    const { adapter } = await run(config({ lora: {}, optimizer: { lr: 1e-30 }, steps: 1 }))
    assert.deepEqual(await logits(model, { adapter }), await logits(model))
  })

  test('alpha / rank scales the product, alpha / sqrt(rank) with rslora', async () => {
    const scaled = async (lora) => {
      const { adapter } = await run(config({ lora, steps: 1 }))
      const config_ = json(adapter, 'adapter_config.json')
      return [config_.r, config_.lora_alpha, config_.use_rslora]
    }
    assert.deepEqual(await scaled({}), [16, 32, false])
    assert.deepEqual(await scaled({ rank: 4 }), [4, 8, false])
    assert.deepEqual(await scaled({ rank: 4, alpha: 3, rslora: true }), [4, 3, true])
  })

  test('dropout 0 is none; another rate learns otherwise, and evaluates without', async () => {
    const weights = async (dropout) => adapterBytes((await run(config({ lora: { dropout } }))).adapter)
    const [none, zero, half] = [await weights(undefined), await weights(0), await weights(0.5)]
    assert.ok(none.equals(zero))
    assert.ok(!none.equals(half))
  })

  test('stopped and resumed is never stopped, dropout included, also with asynchronous checkpoints', async () => {
    for (const async of [false, true]) {
      const options = (out) => ({
        ...config({
          lora: { dropout: 0.3, also: ['model.norm.*'] },
          steps: 12,
          checkpoint: { every: 4, async },
        }),
        out: join(root, `${out}-${async}`),
      })
      const whole = await run(options('whole'))
      const stop = new AbortController()
      const stopped = train(options('parts'), { signal: stop.signal })
      await assert.rejects(async () => {
        for await (const { step } of stopped) if (step >= 6) stop.abort(new Error('enough'))
      }, /enough/)
      const checkpoint = stopped.latest.checkpoint.path
      const stored = Object.keys(readArrays(join(checkpoint, 'state.safetensors')))
      assert.ok(
        stored.every((name) => /lora_|model\.norm/.test(name)),
        'a checkpoint holds what is trained only',
      )
      assert.ok(!readdirSync(checkpoint).includes('model.safetensors'))
      const parts = await run(options('parts'), { resume: true })
      assert.ok(parts.report.resumed_from >= 6)
      assert.ok(adapterBytes(parts.adapter).equals(adapterBytes(whole.adapter)))
      assert.ok(readFileSync(file(parts.model)).equals(readFileSync(file(whole.model))))
    }
  })

  test('merge: false leaves the adapter alone; with its base it is the result, and resuming knows it', async () => {
    const options = config({ lora: { merge: false } })
    const result = await run(options)
    assert.equal(result.model, model)
    assert.ok(existsSync(join(result.adapter, 'adapter_config.json')))
    assert.ok(!existsSync(join(options.out, 'model')))
    assert.equal(result.report.drift, undefined)
    const again = await run(options, { resume: true })
    assert.equal(again.report.config_sha256, result.report.config_sha256)
    assert.notDeepEqual(await logits(model, { adapter: options.out }), await logits(model))
  })

  test('an adapter is trained on: its rank, targets and whole tensors stay, and its loss goes on falling', async () => {
    const first = await run(config({ lora: { rank: 3, targets: ['v_proj'], also: ['model.norm.weight'] } }))
    const next = await run(config({ adapter: first.adapter, lora: {} }))
    const [before, after] = [first, next].map(({ adapter }) =>
      readArrays(join(adapter, 'adapter_model.safetensors')),
    )
    assert.deepEqual(Object.keys(after).sort(), Object.keys(before).sort())
    assert.equal(json(next.adapter, 'adapter_config.json').r, 3)
    assert.ok(next.report.loss < first.report.loss)
    await assert.rejects(run(config({ adapter: first.adapter, lora: { rank: 8 } }), { dryRun: true }), {
      code: 'ERR_CONFIG',
      message: /lora\.rank: expected nothing beside adapter/,
    })
  })

  test('an adapter of a tied model is trained on: both ends of its table are stored, and stay one', async () => {
    const tied = await writeTinyModel(join(root, 'tied'), { tied: true })
    const table = 'base_model.model.model.embed_tokens.weight'
    const first = await run(config({ model: tied, lora: { rank: 2, also: ['model.embed_tokens.*'] } }))
    const next = await run(config({ model: tied, adapter: first.adapter, lora: { merge: false } }))
    const merged = await run(config({ model: tied, adapter: first.adapter, lora: {} }))
    const [before, after] = [first, next].map(({ adapter }) =>
      readArrays(join(adapter, 'adapter_model.safetensors')),
    )
    assert.deepEqual(Object.keys(after).sort(), Object.keys(before).sort())
    assert.deepEqual(after['base_model.model.lm_head.weight'], after[table])
    assert.notDeepEqual(after[table].data, before[table].data)
    assert.equal(next.report.plan.trained_parameters, first.report.plan.trained_parameters)
    assert.ok(!('lm_head.weight' in readArrays(file(merged.model))))
    assertClose(await logits(tied, { adapter: next.adapter }), await logits(merged.model), 1e-5)
  })

  test('with bfloat16 what is trained as a whole begins with the float32 values of model and adapter', async () => {
    const also = ['model.norm.weight', 'model.embed_tokens.weight']
    const still = {
      dtype: 'bfloat16',
      optimizer: { lr: 1e-30, weight_decay: 0 },
      steps: 2,
      checkpoint: { every: 1 },
    }
    const master = ({ out }, name) =>
      readArrays(join(out, 'checkpoints/step-00000001/state.safetensors'))[`weight.${name}`].data
    const first = config({ ...still, lora: { rank: 2, also } })
    await run(first)
    const base = readArrays(file(model))
    for (const name of also) assert.deepEqual(master(first, name), base[name].data, name)
    const { adapter } = await run(config({ lora: { rank: 2, also } }))
    const next = config({ ...still, adapter, lora: {} })
    await run(next)
    const stored = readArrays(join(adapter, 'adapter_model.safetensors'))
    for (const name of also) {
      assert.deepEqual(master(next, name), stored[`base_model.model.${name}`].data, name)
      assert.notDeepEqual(master(next, name), base[name].data, name)
    }
  })

  test('the adapter folder tells its origin, and is an input that no run may clear away', async () => {
    const { adapter } = await run(config({ lora: {} }))
    assert.equal(json(adapter, 'adapter_config.json').base_model_name_or_path, model)
    assert.equal(json(adapter, 'provenance.json').inputs[0].role, 'model')
    assert.match(readFileSync(join(adapter, 'README.md'), 'utf8'), /library_name: peft/)
    const options = config({ adapter, lora: {}, out: join(adapter, '..') })
    await assert.rejects(run(options, { overwrite: true }), { code: 'ERR_USAGE', message: /apart/ })
  })
})

describe('merging adapters', () => {
  const root = temporaryFolder()
  const model = join(root, 'model')
  const golden = new URL('../golden/adapter/llama/', import.meta.url).pathname
  const base = new URL('../golden/decoder/llama/', import.meta.url).pathname
  let made = 0
  const changed = (edit) => {
    const folder = join(root, `adapter-${made++}`)
    cpSync(golden, folder, { recursive: true })
    const config = json(folder, 'adapter_config.json')
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, ...edit }))
    return folder
  }
  const merge = (adapter, more) =>
    mergeAdapter({ model: base, adapter, out: join(root, `out-${made++}`), ...more })

  before(() => writeTinyModel(model))

  test('what it does not do is refused with its reason, before anything is written', async () => {
    const cases = [
      [{ use_dora: true }, /use_dora: expected none \(DoRA/],
      [{ fan_in_fan_out: true }, /fan_in_fan_out/],
      [{ peft_type: 'LOHA' }, /peft_type: expected "LORA", received "LOHA"/],
      [{ init_lora_weights: 'pissa' }, /init_lora_weights/],
      [{ layer_replication: [[0, 2]] }, /layer_replication/],
      [{ lora_alpha: 'many' }, /lora_alpha/],
      [{ rank_pattern: { '(a+)+': 3 } }, /rank_pattern/],
    ]
    for (const [edit, message] of cases) {
      const out = join(root, 'never')
      await assert.rejects(merge(changed(edit), { out }), (error) => {
        assert.equal(error.code, 'ERR_ADAPTER')
        assert.match(error.message, message)
        assert.match(error.message, /adapter_config\.json/)
        return true
      })
      assert.ok(!existsSync(out))
    }
  })

  test('an adapter of another model or rank is refused with all tensors by name', async () => {
    await assert.rejects(merge(golden, { model }), (error) => {
      assert.equal(error.code, 'ERR_SHAPE_MISMATCH')
      assert.match(error.message, /up_proj\.lora_B\.weight: expected \[128, 4\], received \[48, 4\]/)
      return true
    })
    await assert.rejects(merge(changed({ r: 5 })), { code: 'ERR_SHAPE_MISMATCH' })
    const shallow = await writeTinyModel(join(root, 'shallow'), { layers: 1 })
    await assert.rejects(merge(golden, { model: shallow }), {
      code: 'ERR_UNEXPECTED_TENSOR',
      message: /model\.layers\.1\.\S+: in the adapter, not in the model/,
    })
  })

  test('a dry run tells the bytes and writes nothing; the report has the numbers', async () => {
    const out = join(root, 'dry')
    const plan = await merge(golden, { out, dryRun: true })
    assert.equal(plan.dry_run, true)
    assert.equal(plan.modules, 6)
    assert.ok(!existsSync(out))
    const report = await merge(golden, { out })
    assert.equal(report.tensors_merged, 6)
    assert.equal(report.bytes_read, plan.bytes_to_read)
    assert.equal(report.bytes_written, plan.bytes_to_write)
    assert.deepEqual(json(out, 'report.json'), JSON.parse(JSON.stringify(report)))
    assert.deepEqual(
      json(out, 'provenance.json').inputs.map(({ role }) => role),
      ['model', 'adapter'],
    )
    await assert.rejects(merge(golden, { out }), { code: 'ERR_EXISTS' })
  })

  test('shards are kept: the merged model has those of the model', async () => {
    const sharded = new URL('../golden/decoder/llama_sharded/', import.meta.url).pathname
    const also = new URL('../golden/adapter/llama_also/', import.meta.url).pathname
    const { out, tensors_replaced } = await merge(also, { model: sharded })
    assert.equal(tensors_replaced, 6) // the embedding and all norms
    const shards = (folder) =>
      readdirSync(folder).filter((name) => /safetensors/.test(name) && name !== 'expected.safetensors')
    assert.deepEqual(shards(out), shards(sharded))
  })

  test('a folder without an adapter, or without its weights, says what is missing', async () => {
    await assert.rejects(merge(root), { code: 'ERR_NOT_FOUND', message: /expected adapter_config\.json/ })
    const empty = changed({})
    rmSync(join(empty, 'adapter_model.safetensors'))
    await assert.rejects(merge(empty), { code: 'ERR_NOT_FOUND', message: /adapter_model\.safetensors/ })
  })
})
