// Text encoders in whole numbers: what is quantised and what is named as whole, and what other verbs make of the folder.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect, loadEncoder } from 'tongueforge'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { namedLinears } from '#lib/verbs/compressing/named_linears'
import { train } from '#lib/verbs/train'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { isPackedPart, writeDense } from '../helpers/quantized.mjs'
import { readTensors } from '../helpers/safetensors.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const TEXTS = [sentence(1), sentence(2)]
/** By class: what is outside of its blocks. */
const WHOLE = {
  BertModel: ['pooler.dense'],
  BertForMaskedLM: ['cls.predictions.transform.dense', 'cls.predictions.decoder'],
  BertForPreTraining: [
    ...['cls.predictions.transform.dense', 'cls.predictions.decoder'],
    ...['bert.pooler.dense', 'cls.seq_relationship'],
  ],
  BertForSequenceClassification: ['bert.pooler.dense', 'classifier'],
  RobertaForMaskedLM: ['lm_head.dense', 'lm_head.decoder'],
  RobertaForSequenceClassification: ['classifier.dense', 'classifier.out_proj'],
}
const configOf = (name) =>
  encoderConfig({
    architectures: [name],
    model_type: name.startsWith('Bert') ? 'bert' : 'roberta',
    ...{ hidden_size: 32, intermediate_size: 64, num_attention_heads: 4 },
  })

describe('a quantised text encoder', () => {
  const root = temporaryFolder()
  const [given, texts] = [join(root, 'given'), join(root, 'texts.txt')]
  const made = async (name, stage, given, keys = {}) => {
    const config = { model: given, out: join(root, name), stages: [{ method: 'quantize', ...stage }] }
    return compress({ ...config, threads: 1, ...keys }).result
  }
  let model
  before(async () => {
    await writeTinyEncoder(given, configOf('BertForMaskedLM'))
    writeFileSync(texts, TEXTS.join('\n\n'))
    model = (await made('run', { group: 8, symmetric: false }, given)).model
  })

  for (const [name, whole] of Object.entries(WHOLE))
    test(`${name}: what lies outside of the blocks, and what is excluded, is named as whole, and is`, async () => {
      const from = join(root, `${name}-given`)
      await writeTinyEncoder(from, configOf(name))
      const { model, report } = await made(name, { bits: 8, exclude: ['layers.1.output.dense'] }, from)
      const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
      const base = name === 'BertModel' ? '' : `${config.model_type}.`
      const { ignore } = config.quantization_config
      assert.deepEqual(ignore, [...whole, `${base}encoder.layer.1.output.dense`])
      const tensors = readTensors(join(model, 'model.safetensors'))
      const parts = Object.keys(tensors).filter(isPackedPart)
      assert.equal(parts.length, 3 * (2 * 6 - 1))
      assert.ok(parts.every((part) => part.startsWith(`${base}encoder.layer.`)))
      for (const module of ignore)
        if (!module.endsWith('decoder')) assert.ok(`${module}.weight` in tensors, module)
      const bytes = Object.values(tensors).reduce((sum, { bytes }) => sum + bytes.length, 0)
      assert.equal(report.stages[1].bytes, bytes)
      const foretold = await compress(
        {
          model: from,
          out: join(root, 'dry'),
          stages: [{ method: 'quantize', bits: 8, exclude: ['layers.1.output.dense'] }],
        },
        { dryRun: true },
      ).result
      assert.equal(foretold.report.stages[1].bytes, bytes)
    })

  test('the bytes of codes and zero points that fill no word are foretold as they are found', async () => {
    const from = join(root, 'odd')
    await writeTinyEncoder(from, { ...configOf('BertModel'), intermediate_size: 60 })
    const stages = [{ method: 'quantize', group: 0, symmetric: false }]
    const config = { model: from, stages, threads: 1 }
    const foretold = await compress({ ...config, out: join(root, 'dry') }, { dryRun: true }).result
    const found = await compress({ ...config, out: join(root, 'odd-run') }).result
    assert.equal(foretold.report.stages[1].bytes, found.report.stages[1].bytes)
  })

  test('the names of layers on disk belong to the layers', () => {
    for (const name of Object.keys(WHOLE))
      for (const { stored, block, part } of namedLinears(modelSpec(configOf(name))))
        assert.ok(stored.endsWith(`encoder.layer.${block}.${part}`), `${stored}, ${block}, ${part}`)
  })

  test('answers as the dense encoder does that holds the products of its numbers', async () => {
    const dense = join(root, 'dense')
    writeDense(dense, model)
    const [packed, plain] = await Promise.all(
      [model, dense].map(async (folder) => {
        const loaded = await loadEncoder(folder, { threads: 1 })
        const { data } = await loaded.logits([[2, 5, 6, 7, 3]])
        const vectors = await loaded.embed(TEXTS)
        await loaded.dispose()
        return { data, vectors }
      }),
    )
    assert.deepEqual(packed, plain)
  })

  test('is counted by its weights, and refused by what changes them', async () => {
    const [found, dense] = [await inspect(model), await inspect(given)]
    assert.equal(found.parameters.total, dense.parameters.total)
    assert.equal(found.tensors.filter(({ dtype }) => dtype === 'I4').length, 2 * 6)
    const data = [{ path: texts }]
    const config = {
      objective: 'masked',
      model,
      out: join(root, 'trained'),
      data,
      sequence_length: 24,
      steps: 1,
    }
    for (const work of [() => train(config).result, () => made('again', {}, model)])
      await assert.rejects(work, (error) => {
        assert.equal(error.code, 'ERR_MODEL_CONFIG')
        assert.match(error.message, /quantization_config: expected no quantisation where weights are changed/)
        return true
      })
  })

  test('multiplies its whole numbers where it is told to, by embed, classify and the library', async () => {
    const wide = join(root, 'wide')
    await writeTinyEncoder(wide, configOf('BertForSequenceClassification'))
    const { model: folder } = await made('wide-run', { group: 32 }, wide, { dtype: 'bfloat16' })
    const whole = await loadEncoder(folder, { dtype: 'bfloat16', threads: 1 })
    const packed = await loadEncoder(folder, { dtype: 'bfloat16', threads: 1, quantized: 'packed' })
    assert.equal(whole.packed, undefined)
    assert.equal(packed.packed.length, 2 * 6)
    const [a, b] = await Promise.all([whole, packed].map((of) => of.embed(TEXTS[0])))
    const largest = Math.max(...a[0].map(Math.abs))
    for (const [i, x] of a[0].entries()) assert.ok(Math.abs(x - b[0][i]) <= 0.03 * largest)
    await Promise.all([whole.dispose(), packed.dispose()])
    const flags = ['--dtype', 'bfloat16', '--quantized', 'packed', '--threads', '1']
    for (const verb of ['embed', 'classify']) {
      const { code, err } = await cli([verb, folder, '--text', TEXTS[0], ...flags])
      assert.equal(code, 0, err)
      assert.match(err, /packed: of 12 layers of whole numbers 12 when decoding/)
    }
  })
})
