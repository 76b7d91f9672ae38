// Compressed BERT and RoBERTa folders: transformers loads what keeps the shapes that it knows, and answers as we do.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadEncoder } from 'tongueforge'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const STAGES = {
  rows: [{ method: 'rows', criterion: 'taylor', keep: 10 }],
  layers: [{ method: 'layers', keep: 2 }],
  'rows, layers, then zeros by SparseGPT': [
    { method: 'rows', criterion: 'l1', keep: 16 },
    { method: 'layers', layers: [1] },
    { method: 'prune', criterion: 'sparsegpt', sparsity: 0.5 },
  ],
  'low rank, multiplied back': [{ method: 'lowrank', ratio: 0.5, dense: true }],
}
const CLASSES = { BertForMaskedLM: 'bert', RobertaForMaskedLM: 'roberta' }
const IDS = [
  [2, 5, 8, 11, 14, 6, 3],
  [2, 9, 7, 15, 20, 10, 3],
]

describe('compressed encoders', () => {
  const root = temporaryFolder()
  const all = join(root, 'all')
  const ours = {}
  let theirs
  before(async () => {
    mkdirSync(all)
    const texts = join(root, 'texts.txt')
    writeFileSync(texts, Array.from({ length: 40 }, (_, i) => sentence(i)).join('\n\n'))
    const calibration = { data: [{ path: texts }], sequence_length: 24, samples: 8 }
    for (const [hubClass, model_type] of Object.entries(CLASSES)) {
      const model = join(root, hubClass)
      const sizes = { hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 3 }
      await writeTinyEncoder(model, encoderConfig({ architectures: [hubClass], model_type, ...sizes }))
      for (const [name, stages] of Object.entries(STAGES)) {
        const key = `${hubClass}: ${name}`
        const run = compress({ model, out: join(root, key), stages, calibration, threads: 1 })
        const result = (await run.result).model
        symlinkSync(result, join(all, key))
        ours[key] = await answers(result)
      }
    }
    theirs = await reference(['encoder_answers', all, '-'], IDS)
  })

  for (const hubClass of Object.keys(CLASSES))
    for (const name of Object.keys(STAGES))
      test(`${hubClass}: ${name}`, () => {
        const key = `${hubClass}: ${name}`
        const { architecture, missing_keys, unexpected_keys, mismatched_keys, logits } = theirs[key]
        assert.equal(architecture, hubClass)
        assert.deepEqual([missing_keys, unexpected_keys, mismatched_keys], [[], [], []])
        assertClose(ours[key], logits, 1e-5)
      })
})

async function answers(folder) {
  const model = await loadEncoder(folder, { threads: 1 })
  const { data } = await model.logits(IDS)
  await model.dispose()
  return data
}
