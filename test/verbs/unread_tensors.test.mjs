// A folder with tensors of another head than its class has: what loses them says so.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

describe('tensors that are not read', () => {
  const root = temporaryFolder()
  const [model, texts] = [join(root, 'encoder'), join(root, 'texts.txt')]
  const read = { data: [{ path: texts }], sequence_length: 24 }
  const common = { data_cache: join(root, 'cache'), threads: 1 }
  let made = 0
  const warningsOf = async (verb, config) => {
    const warnings = []
    const out = join(root, `run-${made++}`)
    await verb({ out, ...common, ...config }, { onWarning: (message) => warnings.push(message) }).result
    return warnings.filter((message) => /are not read/.test(message))
  }
  const expected = [
    `${model}: tensors that the class in config.json does not have are not read, and will not be in the result: ` +
      'bert.pooler.dense.bias, bert.pooler.dense.weight, cls.seq_relationship.bias, cls.seq_relationship.weight',
  ]

  before(async () => {
    await writeTinyEncoder(model, encoderConfig({ architectures: ['BertForPreTraining'] }))
    writeFileSync(join(model, 'config.json'), JSON.stringify(encoderConfig()))
    writeFileSync(texts, Array.from({ length: 40 }, (_, i) => sentence(i)).join('\n\n'))
  })

  test('train names them once, wherever its weights come from', async () => {
    const training = { ...read, batch_size: 4, steps: 2 }
    assert.deepEqual(await warningsOf(train, { ...training, objective: 'masked', model }), expected)
    // Of a training that falls apart the first update is the best one: its weights are opened again.
    const best = { result: 'best', eval: { every: 1, data: read.data } }
    const apart = { ...best, steps: 4, optimizer: { lr: 3 }, schedule: { kind: 'constant', warmup: 0 } }
    assert.deepEqual(await warningsOf(train, { ...training, ...apart, objective: 'masked', model }), expected)
    const { result_step } = JSON.parse(readFileSync(join(root, 'run-1', 'report.json'), 'utf8'))
    assert.ok(result_step < 4, `${result_step}`)
    const distil = { objective: 'distil', teacher: model, student: {}, distil: { encode: 'masked' } }
    assert.deepEqual(await warningsOf(train, { ...training, ...distil }), expected)
  })

  test('compress names them, whether a technique, a measurement or a training comes first', async () => {
    const rows = { method: 'rows', criterion: 'l1', keep: 8 }
    const recover = { method: 'recover', objective: 'masked', ...read, batch_size: 4, steps: 2 }
    for (const config of [
      { stages: [rows] },
      { stages: [rows], evaluate: read },
      { stages: [recover, rows] },
    ])
      assert.deepEqual(await warningsOf(compress, { model, ...config }), expected)
  })
})
