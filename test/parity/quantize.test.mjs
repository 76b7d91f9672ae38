// Quantised folders as compressed-tensors and transformers read them, in their own environment.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadEncoder, loadModel } from 'tongueforge'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { quantizeReference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const CASES = {
  'four bits in groups': { stage: { group: 8 } },
  'four bits in groups with zero points, by GPTQ': { stage: { group: 16, symmetric: false, gptq: true } },
  'four bits by output, of pruned weights': {
    stage: { group: 0 },
    first: { method: 'prune', sparsity: 0.5 },
  },
  'eight bits by output': { stage: { bits: 8 } },
  'eight bits by output with zero points': { stage: { bits: 8, symmetric: false } },
  'four bits, but one kind of layer, in bfloat16': {
    stage: { group: 8, exclude: ['o_proj', 'layers.1.mlp.up_proj'] },
    dtype: 'bfloat16',
  },
  'eight bits with zero points in groups, in bfloat16': {
    stage: { bits: 8, group: 8, symmetric: false, gptq: true },
    dtype: 'bfloat16',
  },
}

/** Encoders, as AutoModel's class for their head loads them. */
const ENCODERS = {
  'a BERT, four bits in groups with zero points, by GPTQ': {
    class: 'BertForMaskedLM',
    stage: { group: 8, symmetric: false, gptq: true },
  },
  'a BERT for classes, eight bits by output, but one kind of layer': {
    class: 'BertForSequenceClassification',
    stage: { bits: 8, exclude: ['attention.output.dense', 'layers.0.output.dense'] },
  },
  'a RoBERTa, four bits in groups': { class: 'RobertaForMaskedLM', stage: { group: 8 } },
  'a RoBERTa for classes, eight bits by output': {
    class: 'RobertaForSequenceClassification',
    stage: { bits: 8 },
  },
}

const ROWS = [Array.from({ length: 20 }, (_, i) => (7 * i * i + 3 * i + 5) % 40)]
const ENCODER_ROWS = [[2, 5, 8, 11, 14, 6, 3]]

describe('quantised text encoders', () => {
  const root = temporaryFolder()
  const folders = []
  let told
  before(async () => {
    const texts = join(root, 'texts.txt')
    writeFileSync(texts, Array.from({ length: 20 }, (_, i) => sentence(i)).join('\n\n'))
    const calibration = { data: [{ path: texts }], sequence_length: 24, samples: 8 }
    for (const [i, { class: name, stage }] of Object.values(ENCODERS).entries()) {
      const model = join(root, `given-${i}`)
      const model_type = name.startsWith('Bert') ? 'bert' : 'roberta'
      const sizes = { num_attention_heads: 4, hidden_size: 32, intermediate_size: 64 }
      await writeTinyEncoder(model, encoderConfig({ architectures: [name], model_type, ...sizes }))
      const stages = [{ method: 'quantize', ...stage }]
      const run = compress({ model, out: join(root, `run-${i}`), calibration, stages, threads: 1 })
      folders.push((await run.result).model)
    }
    told = await quantizeReference({ folders, rows: ENCODER_ROWS, out: root })
  })

  for (const [i, [name, { class: hubClass }]] of Object.entries(ENCODERS).entries())
    test(`${name}: transformers' logits are ours, and the package packs our numbers to the same bytes`, async () => {
      assert.deepEqual(told[i], { packed_again: true, class: hubClass })
      const theirs = readArrays(join(root, `${i}.safetensors`)).logits
      const model = await loadEncoder(folders[i], { threads: 1 })
      const ours = hubClass.endsWith('MaskedLM')
        ? (await model.logits(ENCODER_ROWS)).data
        : (await model.classifyIds(ENCODER_ROWS)).flatMap((row) => [...row])
      await model.dispose()
      assertClose(ours, theirs.data, 1e-5)
    })
})

describe('quantised models', () => {
  const root = temporaryFolder()
  const ours = {}
  let told
  before(async () => {
    const given = await tinyCompression(join(root, 'inputs'))
    for (const [i, { stage, first, dtype = 'float32' }] of Object.values(CASES).entries()) {
      const stages = [...(first ? [first] : []), { method: 'quantize', ...stage }]
      const config = { ...given, out: join(root, `run-${i}`), dtype, stages }
      ours[i] = (await compress(config).result).model
    }
    told = await quantizeReference({ folders: Object.values(ours), rows: ROWS, out: root })
  })

  for (const [i, [name, { dtype = 'float32', stage }]] of Object.entries(CASES).entries()) {
    // It divides in the dtype of the scales: 8 bits of mantissa do not bring 8 bits back.
    if (dtype === 'float32' || stage.bits !== 8)
      test(`${name}: the package unpacks our numbers and packs them to the same bytes`, () => {
        assert.equal(told[i].packed_again, true)
      })

    test(`${name}: transformers' logits are ours`, async () => {
      const theirs = readArrays(join(root, `${i}.safetensors`)).logits
      const model = await loadModel(ours[i], { dtype, threads: 1 })
      const { data } = await model.logits(ROWS)
      await model.dispose()
      assertClose(data, theirs.data, dtype === 'float32' ? 1e-5 : 2e-2)
    })
  }
})
