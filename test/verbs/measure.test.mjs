// How fast a model is, and pruned layers that leave their zeros out: what is told, and that answers stay.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadModel, measureSpeed } from 'tongueforge'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays, writeArrays } from '../helpers/safetensors.mjs'
import { writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { hubertConfig, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const IDS = [[1, 5, 9, 12, 7, 30, 2, 18]]

describe('speed', () => {
  const root = temporaryFolder()
  const [model, pruned] = ['model', 'pruned'].map((name) => join(root, name))
  before(async () => {
    await writeTinyModel(model, { width: 256 })
    await cp(model, pruned, { recursive: true })
    zeroMost(join(pruned, 'model.safetensors'))
  })

  test('a decoder is timed to its first token and after it, with what it was timed on', async () => {
    const seen = []
    const report = await measureSpeed(model, {
      tokens: 24,
      newTokens: 4,
      runs: 6,
      threads: 1,
      onProgress: (progress) => seen.push(progress),
    })
    const { first_token_seconds: first, token_seconds: token, ...facts } = report
    assert.ok(0 < first.min && first.min <= first.median)
    assert.ok(0 < token.min && token.min <= token.median)
    assert.equal(facts.tokens_per_second, 24 / first.median)
    assert.equal(facts.new_tokens_per_second, 1 / token.median)
    const { tokens_per_second, new_tokens_per_second, ...settings } = facts
    assert.deepEqual(settings, {
      batch: 1,
      tokens: 24,
      dtype: 'float32',
      threads: 1,
      warm_up: 5,
      runs: 6,
      new_tokens: 4,
    })
    assert.deepEqual(seen.at(-1), { done: 6, total: 6 })
  })

  test('a speech encoder is timed over sound: its time is told by that of the sound', async () => {
    const [mel, hubert] = [join(root, 'mel'), join(root, 'hubert')]
    await writeTinySpeech(mel)
    await writeTinySpeech(hubert, hubertConfig())
    for (const [folder, tokens] of [
      [mel, 198], // a place of 10 ms, the last two without the 25 ms of a frame
      [hubert, 1599], // 20 samples a place
    ]) {
      const report = await measureSpeed(folder, { clipSeconds: 2, runs: 5, threads: 1 })
      const { pass_seconds: pass, real_time_factor, tokens_per_second, ...facts } = report
      assert.deepEqual(real_time_factor, { min: pass.min / 2, median: pass.median / 2 })
      assert.equal(tokens_per_second, tokens / pass.median)
      assert.deepEqual(facts, {
        ...{ batch: 1, tokens, dtype: 'float32', threads: 1, warm_up: 5, runs: 5 },
        clip_seconds: 2,
      })
    }
    const { out } = await cli(['inspect', mel, '--speed', '--seconds', '1', '--threads', '1', '--json'])
    assert.equal(JSON.parse(out).speed.clip_seconds, 1)
    const refused = (folder, options, message) =>
      assert.rejects(measureSpeed(folder, options), { code: 'ERR_USAGE', message, hint: /^Give / })
    await refused(
      mel,
      { tokens: 5 },
      'tokens: expected with a model of text alone, received with another model',
    )
    await refused(
      model,
      { clipSeconds: 5 },
      'clipSeconds: expected with a speech encoder alone, received with another model',
    )
    await refused(
      mel,
      { clipSeconds: 0.02 },
      'clipSeconds: expected enough for one place, up to 3600, received 0.02',
    )
  })

  test('an encoder is timed over a row, and takes sparse layers too', async () => {
    const encoder = join(root, 'encoder')
    mkdirSync(encoder)
    await writeTinyEncoder(encoder)
    const report = await measureSpeed(encoder, { tokens: 8, runs: 5, threads: 1, sparse: 'auto' })
    const { pass_seconds: pass, ...facts } = report
    assert.ok(0 < pass.min && pass.min <= pass.median)
    assert.equal(facts.tokens_per_second, 8 / pass.median)
    assert.deepEqual(facts.sparse, [])
    assert.ok(!('token_seconds' in facts) && !('new_tokens' in facts))
  })

  test('sparse: auto tells every pruned layer, and gives the same answers to 1e-5', async () => {
    const dense = await loadModel(pruned, { threads: 1 })
    const sparse = await loadModel(pruned, { threads: 1, sparse: 'auto' })
    assert.equal(dense.sparse, undefined)
    assert.equal(sparse.sparse.length, 14)
    for (const { zeros, one, more } of sparse.sparse) {
      assert.ok(zeros > 0.9)
      for (const { dense_seconds, sparse_seconds, sparse: used } of [one, more])
        assert.equal(used, sparse_seconds <= 0.95 * dense_seconds)
    }
    assert.ok(sparse.sparse.some(({ one, more }) => one.sparse || more.sparse))
    const [a, b] = await Promise.all([dense, sparse].map((of) => of.logits(IDS)))
    const largest = Math.max(...a.data.map(Math.abs))
    for (let i = 0; i < a.data.length; i++) assert.ok(Math.abs(a.data[i] - b.data[i]) < 1e-5 * largest)
    await Promise.all([dense.dispose(), sparse.dispose()])
  })

  test('a model without zeros has no sparse layers', async () => {
    const report = await measureSpeed(model, { tokens: 8, newTokens: 1, runs: 5, threads: 1, sparse: 'auto' })
    assert.deepEqual(report.sparse, [])
  })

  test('the command prints it beside what inspect tells, as text and as JSON', async () => {
    const flags = ['--speed', '--tokens', '16', '--threads', '1', '--sparse', 'auto']
    const json = JSON.parse((await cli(['inspect', pruned, ...flags, '--json'])).out)
    assert.equal(json.architecture, 'llama')
    assert.equal(json.speed.tokens, 16)
    assert.equal(json.speed.sparse.length, 14)
    const { out } = await cli(['inspect', pruned, ...flags])
    assert.match(out, /first_token_seconds/)
    assert.match(out, /model\.layers\.1\.mlp\.down_proj/)
  })

  test('a quantised model is timed by its whole numbers too, in the dtype that is asked for', async () => {
    const stages = [{ method: 'quantize', group: 32 }]
    const given = { model, out: join(root, 'quantised'), stages, threads: 1 }
    const { model: quantised } = await compress(given).result
    const flags = ['--speed', '--tokens', '16', '--threads', '1', '--dtype', 'bfloat16', '--device', 'cpu']
    const timed = [...flags, '--quantized', 'auto']
    const { speed } = JSON.parse((await cli(['inspect', quantised, ...timed, '--json'])).out)
    assert.equal(speed.dtype, 'bfloat16')
    assert.equal(speed.packed.length, 14)
    for (const { one, more } of speed.packed)
      for (const { dense_seconds, packed_seconds, packed } of [one, more])
        assert.equal(packed, packed_seconds <= 0.95 * dense_seconds)
    const { out } = await cli(['inspect', quantised, ...timed])
    assert.match(out, /layer +bits +one row, dense +packed +prompt, dense +packed/)
    assert.match(out, /model\.layers\.1\.mlp\.down_proj +4 /)
    const none = await cli(['inspect', model, ...timed])
    assert.match(none.out, /no layer can be multiplied packed/)
  })

  test('quantized: packed is refused where no layer can be, with the ways that can', async () => {
    for (const load of [loadModel, measureSpeed])
      await assert.rejects(load(model, { threads: 1, quantized: 'packed' }), (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        const problem = 'quantized: expected layers that can be multiplied packed, received none'
        assert.equal(error.message, problem)
        assert.match(
          error.hint,
          /bfloat16 on the CPU: 8 bits .* or 4 bits .* Set dtype, or leave quantized out/,
        )
        return true
      })
  })

  test('how a model is loaded is refused beside an inspection that loads none', async () => {
    for (const flags of [
      ['--dtype', 'bfloat16'],
      ['--device', 'cpu'],
      ['--quantized', 'auto'],
    ]) {
      const { code, err } = await cli(['inspect', model, ...flags])
      assert.equal(code, 2)
      assert.match(err, new RegExp(`${flags[0]}: expected --speed beside it, received none`))
    }
  })

  test('counts that are none, too many tokens and unknown words are refused', async () => {
    for (const [options, message, hint] of [
      [{ tokens: 0 }, /tokens: expected a whole number from 1, received 0/],
      [{ runs: 1.5 }, /runs: expected/],
      [{ tokens: 250 }, /at most 256 tokens, .* received 282/, /--tokens/],
      [{ sparse: 'yes' }, /sparse: expected auto, never, received 'yes'/],
      [{ quantized: 'yes' }, /quantized: expected dense, auto, packed, received 'yes'/],
    ]) {
      await assert.rejects(measureSpeed(model, options), (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, message)
        if (hint) assert.match(error.hint, hint)
        return true
      })
    }
  })

  test('it stops when it is told to', async () => {
    const abort = new AbortController()
    const options = { threads: 1, signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) }
    await assert.rejects(measureSpeed(model, options), /enough/)
  })
})

// 19 of 20 weights of every matrix of a block.
function zeroMost(file) {
  const tensors = Object.entries(readArrays(file)).map(([name, { shape, data }]) => ({
    name,
    shape,
    dtype: 'float32',
    data: name.endsWith('_proj.weight') ? data.map((value, i) => ((i * 7919) % 20 === 7 ? value : 0)) : data,
  }))
  writeArrays(file, tensors)
}
