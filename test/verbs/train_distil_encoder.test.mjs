// A text encoder that learns from a larger one, at the places of hidden tokens; native tests have the laws of its loss.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, loadEncoder } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const metrics = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const configOf = (folder) => JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))

describe('distil of text encoders', () => {
  const root = temporaryFolder()
  const [teacher, small, texts] = ['teacher', 'small', 'texts.txt'].map((name) => join(root, name))
  const read = { data: [{ path: texts }], sequence_length: 24, batch_size: 8 }
  let made = 0
  const config = ({ distil, ...changes } = {}) => ({
    ...{ objective: 'distil', teacher, model: small, out: join(root, `run-${made++}`), steps: 6 },
    ...{ ...read, data_cache: join(root, 'cache'), optimizer: { lr: 3e-3 }, threads: 1 },
    eval: { every: 100, data: read.data },
    distil: { encode: 'masked', ...distil },
    ...changes,
  })
  const run = async (options, more) => ({ ...(await train(options, more).result), out: options.out })

  before(async () => {
    const wide = { hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 3 }
    await writeTinyEncoder(teacher, encoderConfig(wide))
    await writeTinyEncoder(small, encoderConfig(), 5)
    writeFileSync(texts, Array.from({ length: 60 }, (_, i) => sentence(i)).join('\n\n'))
  })

  test('a student of all blocks begins as its teacher, and has nothing to learn from it', async () => {
    const { out } = await run(config({ model: undefined, student: {}, distil: { alpha: 1 }, steps: 1 }))
    const [line] = metrics(out)
    assert.ok(Math.abs(line.divergence) < 1e-6, `${line.divergence}`)
    assert.ok(line.nll > 1)
  })

  test('a narrower student comes nearer to its teacher, hidden states through projections', async () => {
    const distil = {
      alpha: 1,
      hidden: {
        layers: [
          [1, 1],
          [2, 3],
        ],
      },
    }
    const { report, out } = await run(config({ steps: 40, distil }))
    assert.ok(report.eval_loss < 0.7 * report.eval_loss_before)
    const lines = metrics(out)
    assert.ok(lines.at(-1).hidden < lines[0].hidden)
    const encoder = await loadEncoder(join(out, 'model'), { threads: 1 })
    await encoder.dispose()
  })

  test('without a share of the teacher it is masked, to the byte', async () => {
    const taught = await run(config({ distil: { alpha: 0 } }))
    const plain = await run(config({ objective: 'masked', teacher: undefined }))
    assert.ok(weights(taught.out).equals(weights(plain.out)))
  })

  test('stopped and resumed is never stopped', async () => {
    const changes = { distil: { hidden: { layers: [[1, 2]] } }, steps: 9, checkpoint: { every: 3, keep: 1 } }
    const undisturbed = await run(config(changes))
    const options = config(changes)
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const { step } of train(options, { signal: stop.signal })) if (step >= 4) stop.abort()
    })
    await run(options, { resume: true })
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
  })

  test('a student made of its teacher has the blocks, heads and rows that it is told', async () => {
    const student = { layers: [0, 2], num_heads: 2, intermediate_size: 10 }
    const { out } = await run(config({ model: undefined, student, steps: 2 }))
    const { num_hidden_layers, num_attention_heads, intermediate_size } = configOf(join(out, 'model'))
    assert.deepEqual([num_hidden_layers, num_attention_heads, intermediate_size], [2, 2, 10])
    const encoder = await loadEncoder(join(out, 'model'), { threads: 1 })
    await encoder.dispose()
  })

  test('a stage of compress learns from the model that the pipeline began with', async () => {
    const stage = { method: 'distil', ...read, steps: 3, distil: { encode: 'masked', alpha: 1 } }
    const { model: result, report } = await compress({
      ...{ model: teacher, out: join(root, 'pipeline'), threads: 1, data_cache: join(root, 'cache') },
      evaluate: { data: read.data, sequence_length: 24 },
      stages: [{ method: 'layers', keep: 2 }, stage],
      calibration: { data: read.data, sequence_length: 24, samples: 8 },
    }).result
    const { method, figures, loss } = report.stages[2]
    assert.deepEqual([method, figures.objective], ['distil', 'distil'])
    assert.ok(Number.isFinite(loss))
    assert.equal(configOf(result).num_hidden_layers, 2)
  })

  test('teachers and data of another kind are refused by their key', async () => {
    const [decoder, bare] = [join(root, 'decoder'), join(root, 'bare')]
    await writeTinyModel(decoder)
    await writeTinyEncoder(bare, encoderConfig({ architectures: ['BertModel'] }))
    const short = join(root, 'short')
    await writeTinyEncoder(short, encoderConfig({ max_position_embeddings: 20 }))
    for (const [changes, key, message, hint] of [
      [
        { teacher: decoder },
        'teacher',
        /expected an encoder as the student, received a decoder/,
        /Encoders learn/,
      ],
      [{ teacher: bare }, 'teacher', /masked-LM head, received one with none/, /BertForMaskedLM/],
      [{ teacher: short }, 'sequence_length', /at most 20, received 24/, /The teacher has a learnt position/],
      [{ distil: { encode: 'cp' } }, 'distil.encode', /of type bert, received cp/, /distil.encode: masked/],
      [
        { model: undefined, student: { hidden_size: 16 } },
        'student.hidden_size',
        /expected 32, as the teacher is an encoder, received 16/,
        /Only the width of decoders/,
      ],
    ]) {
      await assert.rejects(run(config(changes)), (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.equal(error.details.key, key)
        assert.match(error.message, message)
        assert.match(error.hint, hint)
        return true
      })
    }
  })
})
