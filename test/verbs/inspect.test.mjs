// What inspect tells of a folder with weights, and of a config.json alone.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { inspect } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { countMacs } from '#lib/counting/macs'
import { countParameters } from '#lib/counting/parameters'
import { modelSize } from '#lib/counting/registry'
import { foundFigures } from '#lib/verbs/compressing/figures'
import { cli, clone } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readTensors, writeTensors } from '../helpers/safetensors.mjs'
import { scaleEmbeddingRow, writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinySpeech } from '../helpers/tiny_speech.mjs'

describe('inspect', () => {
  const root = temporaryFolder()
  const folder = join(root, 'model')
  const bare = join(root, 'bare')
  const ask = { macs: true, tokens: 48 }
  const configOf = (path) => JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
  before(async () => {
    await writeTinyModel(folder)
    mkdirSync(bare)
    cpSync(join(folder, 'config.json'), join(bare, 'config.json'))
  })

  test('macs are those of the closed form, and only where they are asked for', async () => {
    assert.equal((await inspect(folder)).macs, undefined)
    const { macs, counted_from } = await inspect(folder, ask)
    const { core, superb, visible, parts } = countMacs(modelSize(decoderSpec(configOf(folder))), 48)
    assert.deepEqual(macs, { core, superb, tokens: 48, visible, parts, effective: { core, superb } })
    assert.equal(counted_from, 'weights')
    assert.ok(visible < core && core < superb)
  })

  test('zeros are spared where they are multiplied: in a table that is the head, not in one that is looked up', async () => {
    for (const tied of [false, true]) {
      const one = await writeTinyModel(join(root, `zeros-${tied}`), { tied })
      await scaleEmbeddingRow(one, 'police', 0)
      const { macs, parameters } = await inspect(one, ask)
      assert.equal(parameters.total - parameters.nonzero, 32)
      assert.equal(macs.core - macs.effective.core, tied ? 32 * 48 : 0)
      assert.equal(macs.superb - macs.effective.superb, tied ? 32 * 48 : 0)
    }
  })

  test('a tied head that is stored beside its table counts once, here and in a pipeline', async () => {
    const both = await writeTinyModel(join(root, 'both'))
    writeFileSync(join(both, 'config.json'), JSON.stringify({ ...configOf(both), tie_word_embeddings: true }))
    const { parameters, parts, tensors } = await inspect(both)
    const sum = Object.values(parts).reduce((all, part) => all + part, 0)
    assert.deepEqual([parameters.total, parameters.nonzero], [sum, sum])
    assert.ok(tensors.some(({ name }) => name === 'lm_head.weight'))
    const spec = decoderSpec(configOf(both))
    const found = await foundFigures({ folder: { path: both }, spec }, { macs_tokens: 48 })
    assert.deepEqual(found.parameters, parameters)
  })

  test('zeros of an encoder are found under the names of its family, with and without their prefix', async () => {
    const folders = ['bert', 'bert_bare'].map((name) => join(clone, 'test/golden/encoder', name))
    for (const golden of folders) {
      const names = Object.keys(readTensors(join(golden, 'model.safetensors')))
      const prefixed = names.some((name) => name.startsWith('bert.'))
      const other = join(root, `other-${prefixed}`)
      cpSync(golden, other, { recursive: true })
      const zeroed = Object.entries(readTensors(join(golden, 'model.safetensors'))).map(([name, tensor]) => {
        const isZero = name.endsWith('encoder.layer.0.output.dense.weight')
        const called = prefixed ? name.replace(/^bert\./, '') : `bert.${name}`
        return { ...tensor, name: called, ...(isZero && { bytes: new Uint8Array(tensor.bytes.length) }) }
      })
      writeTensors(join(other, 'model.safetensors'), zeroed)
      const { macs } = await inspect(other, ask)
      const { intermediate_size, hidden_size } = configOf(other)
      assert.equal(macs.core - macs.effective.core, 48 * intermediate_size * hidden_size)
    }
  })

  test('config.json alone tells the same but what only weights can tell', async () => {
    const [full, alone] = [await inspect(folder, ask), await inspect(bare, { ...ask, scan: true })]
    const byName = (a, b) => (a.name < b.name ? -1 : 1) // files have an order of their own
    assert.deepEqual(
      { ...alone, tensors: alone.tensors.sort(byName) },
      {
        ...full,
        tensors: full.tensors.sort(byName),
        parameters: { ...full.parameters, nonzero: null },
        counted_from: 'config',
        macs: { ...full.macs, effective: null },
        scan: [],
      },
    )
    assert.equal(alone.parameters.total, countParameters(decoderSpec(configOf(bare))))
  })

  test('without weights nothing else is told: they are missed, and half a download is', async () => {
    await assert.rejects(inspect(bare), { code: 'ERR_NOT_FOUND', message: /model\.safetensors/ })
    const torn = join(root, 'torn')
    cpSync(bare, torn, { recursive: true })
    writeFileSync(join(torn, 'pytorch_model.bin'), '')
    await assert.rejects(inspect(torn, ask), { code: 'ERR_NOT_FOUND', message: /pytorch_model\.bin/ })
  })

  test('macs need a length, and a length needs macs', async () => {
    const refused = (options, message, hint) =>
      assert.rejects(inspect(folder, options), (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, message)
        assert.match(error.hint, hint)
        return true
      })
    await refused({ macs: true }, /^tokens: expected a whole number .* received none$/, /--macs --tokens 512/)
    await refused({ macs: true, tokens: 0 }, /received 0$/, /--tokens 512/)
    await refused({ macs: true, tokens: 1.5 }, /received 1\.5$/, /--tokens 512/)
    await refused({ tokens: 5 }, /^macs: expected beside tokens/, /--macs --tokens 512/)
  })

  test('of a speech encoder a length is places or seconds, and a config alone is enough', async () => {
    const place = (name, config, preprocessor) => {
      const path = join(root, name)
      mkdirSync(path)
      writeFileSync(join(path, 'config.json'), JSON.stringify(config))
      if (preprocessor) writeFileSync(join(path, 'preprocessor_config.json'), JSON.stringify(preprocessor))
      return path
    }
    const sizes = {
      hidden_size: 768,
      intermediate_size: 3072,
      num_hidden_layers: 12,
      num_attention_heads: 12,
    }
    const mel = place('mel', { ...sizes, model_type: 'melhubert', feat_emb_dim: 80 })
    const ten = await inspect(mel, { macs: true, seconds: 10 })
    assert.deepEqual([ten.macs.tokens, ten.macs.seconds, ten.macs.core], [499, 10, 49361934336])
    assert.deepEqual([ten.architecture, ten.vocab_size, ten.counted_from], ['melhubert', 512, 'config'])
    assert.equal(ten.parameters.total, 90231424)
    const { seconds: _, ...counted } = ten.macs
    assert.deepEqual((await inspect(mel, { macs: true, tokens: 499 })).macs, counted)
    const hubert = place('hubert', { ...sizes, model_type: 'hubert' })
    assert.equal((await inspect(hubert, { macs: true, seconds: 1 })).macs.core, 6911374336)
    const slow = place('slow', { ...sizes, model_type: 'hubert' }, { sampling_rate: 8000 })
    assert.deepEqual(
      (await inspect(slow, { macs: true, seconds: 2 })).macs.core,
      (await inspect(hubert, { macs: true, seconds: 1 })).macs.core,
    )
    const refused = (path, options, message, hint) =>
      assert.rejects(inspect(path, { macs: true, ...options }), (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, message)
        assert.match(error.hint, hint)
        return true
      })
    await refused(mel, {}, /^tokens: expected .* received none$/, /--seconds 10/)
    await refused(mel, { seconds: 0 }, /^seconds: expected a number above 0, .* received 0$/, /--seconds 10/)
    await refused(mel, { seconds: 1, tokens: 1 }, /received both/, /one of them/)
    await refused(folder, { seconds: 1 }, /^seconds: expected a speech encoder/, /--tokens 512/)
    const { code, out } = await cli(['inspect', mel, '--macs', '--seconds', '10', '--json'])
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(out), ten)
  })

  test('zeros of a speech encoder are spared where they are multiplied', async () => {
    const path = await writeTinySpeech(join(root, 'tiny-speech'))
    const { macs, parameters } = await inspect(path, { macs: true, tokens: 20 })
    assert.equal(parameters.total - parameters.nonzero, 325) // its biases are drawn as zeros
    assert.deepEqual(macs.effective, { core: macs.core, superb: macs.superb })
  })

  test('a weight norm is counted under the names of old and of new releases of torch', async () => {
    for (const name of ['hubert', 'hubert_legacy']) {
      const { macs } = await inspect(join(clone, 'test/golden/speech', name), { macs: true, tokens: 20 })
      assert.deepEqual(macs.effective, { core: macs.core, superb: macs.superb }, name)
    }
  })

  test('the command prints the document, or counts that people can read', async () => {
    const asked = ['inspect', bare, '--macs', '--tokens', '48']
    const { code, out } = await cli([...asked, '--json'])
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(out), await inspect(bare, ask))
    const text = await cli(asked)
    const grouped = (await inspect(bare, ask)).macs.core.toLocaleString('en-US')
    assert.ok(text.out.includes(`core       ${grouped}\n`), text.out)
    assert.match(text.out, /effective {2}-\n/)
    assert.equal((await cli(['inspect', bare, '--macs'])).code, 2)
    for (const [option, value] of [
      ['--sparse', 'auto'],
      ['--threads', '1'],
    ]) {
      const { code, err } = await cli(['inspect', bare, '--macs', '--tokens', '8', option, value])
      assert.equal(code, 2)
      assert.ok(err.includes(`${option}: expected --speed beside it, received none`), err)
    }
  })
})
