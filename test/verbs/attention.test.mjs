// How heads look, from files to a report: what is averaged, what is refused, and a run that heads left beside it.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { attention, compress, loadModel, readAudio } from 'tongueforge'
import { FrontEnd } from '#lib/audio/front_end'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { wav } from '../helpers/sounds.mjs'
import { encoderConfig, idOf, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { FRONT_END, toneModel, writeTinySound } from '../helpers/tiny_sound.mjs'
import { noise, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const root = temporaryFolder()
const sound = writeTinySound(join(root, 'sound'), { count: 8 })
const [speech, text] = [join(root, 'speech'), join(root, 'text')]
const FIGURES = ['diagonality', 'verticality', 'globality']
const near = (a, b, tolerance = 1e-9) => assert.ok(Math.abs(a - b) < tolerance, `${a}, expected ${b}`)
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))

before(async () => {
  await writeTinySpeech(speech, toneModel())
  writeFileSync(join(speech, 'preprocessor_config.json'), JSON.stringify(FRONT_END))
  await writeTinyEncoder(text, encoderConfig({ num_hidden_layers: 2 }))
})

/** [layer][head figures] of documents, one by one. */
async function alone(folder, documents) {
  const spec = modelSpec(json(folder, 'config.json'))
  const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
  const found = []
  for (const document of documents)
    found.push(await runJob('attentionShapes', { model, threads: 1, ...document }))
  native().dispose(model)
  return found
}

/** Means of documents for each head, as the report has them. */
const meansOf = (found, head, layer) =>
  FIGURES.map((_, i) => found.reduce((sum, shapes) => sum + shapes[layer][3 * head + i], 0) / found.length)

function checkMeans({ heads, documents }, found) {
  assert.equal(documents, found.length)
  assert.equal(
    heads.length,
    found[0].reduce((sum, layer) => sum + layer.length / 3, 0),
  )
  for (const row of heads) {
    const expected = meansOf(found, row.head, row.layer)
    for (const [i, key] of FIGURES.entries()) near(row[key], expected[i])
  }
}

describe('attention', () => {
  test('of speech it is the mean over utterances, each at its own length; one of a single place is left out', async () => {
    const file = join(root, 'short.wav')
    writeFileSync(file, wav(noise(240, 1), { rate: 8000 })) // one frame, one place
    const report = await attention(speech, { data: [sound.heldOut, file], threads: 1 })
    const frontEnd = await FrontEnd.open(speech)
    const documents = []
    for (const name of readFileSync(sound.heldOut, 'utf8').trim().split('\n').slice(1)) {
      const { data } = await frontEnd.sound(await readAudio(join(root, 'sound', name.split(',')[0])))
      documents.push({ sound: data, frame_width: frontEnd.width })
    }
    checkMeans(report, await alone(speech, documents))
    assert.equal(report.left_out, 1)
    assert.equal(report.architecture, 'melhubert')
    const lengths = documents.map((document) => document.sound.length / document.frame_width)
    assert.equal(
      report.places,
      lengths.reduce((a, b) => a + b),
    )
    const mean = (of) => lengths.reduce((sum, t) => sum + of(t), 0) / lengths.length
    near(
      report.uniform.diagonality,
      mean((t) => -(t * t - 1) / (3 * t * t)),
    )
    near(report.uniform.globality, mean(Math.log))
    near(report.uniform.verticality, -mean(Math.log))
    const most = report.uniform.globality
    assert.ok(report.heads.every(({ globality }) => globality > 0 && globality <= most))
    const again = await attention(speech, { data: [sound.heldOut, file], threads: 1 })
    assert.deepEqual(again, report)
  })

  test('sources are those of sound or of text: rows of a manifest by a column, keys of another kind refused', async () => {
    const all = await attention(speech, { data: sound.heldOut, threads: 1 })
    const anna = { path: sound.heldOut, where: { speaker: 'anna' } }
    const some = await attention(speech, { data: anna, threads: 1 })
    const lines = readFileSync(sound.heldOut, 'utf8').trim().split('\n').slice(1)
    assert.equal(all.documents, lines.length)
    assert.equal(some.documents, lines.filter((line) => line.endsWith(',anna')).length)
    for (const [model, key] of [
      [speech, 'split'],
      [text, 'where'],
    ])
      await assert.rejects(attention(model, { data: { path: sound.heldOut, [key]: {} } }), {
        code: 'ERR_CONFIG',
        message: new RegExp(`^attention: data\\.0\\.${key}: unknown key`),
      })
  })

  test('of text it is the mean over documents, with their special tokens, up to a limit', async () => {
    const file = join(root, 'texts.txt')
    writeFileSync(file, 'the dog sees a cat\n\na bird follows\n\nand then here and there')
    const report = await attention(text, { data: { path: file }, limit: 2, threads: 1 })
    const ids = ['[CLS] the dog sees a cat [SEP]', '[CLS] a bird follows [SEP]'].map((line) => ({
      ids: Int32Array.from(line.split(' '), idOf),
    }))
    checkMeans(report, await alone(text, ids))
    assert.equal(report.places, 7 + 5)
    const long = join(root, 'long.txt')
    writeFileSync(long, Array(600).fill('the dog sees').join(' '))
    const { places } = await attention(text, { data: long, threads: 1 })
    assert.equal(places, json(text, 'config.json').max_position_embeddings)
  })

  test('when a head left a run of this model is told beside it; another run is refused', async () => {
    const out = join(root, 'run')
    const stages = [{ method: 'heads', criterion: 'l1', remove: 4, scope: 'global', steps: 2 }]
    const settings = { model: speech, sound: { targets: sound.targets }, threads: 1 }
    const { report: pruning } = await compress({ ...settings, out, stages }).result
    const { heads, pruned } = await attention(speech, { data: sound.heldOut, pruned: out, threads: 1 })
    const gone = heads.filter(({ step }) => step !== null)
    assert.deepEqual(
      gone.map(({ layer, head, step, stage }) => ({ step, stage, layer, head })),
      pruning.removed_heads.toSorted((a, b) => a.layer - b.layer || a.head - b.head),
    )
    assert.deepEqual([pruned.removed, pruned.stayed], [4, heads.length - 4])
    assert.deepEqual(pruned.scores, { stage: '01-heads', criterion: 'l1' })
    const { scores } = pruning.stages[1].figures.layers[1]
    assert.deepEqual(
      heads.filter(({ layer }) => layer === 1).map(({ score }) => score),
      scores,
    )
    const other = join(root, 'other')
    await writeTinySpeech(other, toneModel(), 99)
    writeFileSync(join(other, 'preprocessor_config.json'), JSON.stringify(FRONT_END))
    await assert.rejects(attention(other, { data: sound.heldOut, pruned: out }), {
      code: 'ERR_DATA',
      message: `${out}: expected a run that began with ${other}, received one that began with ${speech}`,
      hint: 'Give the model that the run was given; its weights are compared.',
    })
    const copy = join(root, 'copy')
    cpSync(speech, copy, { recursive: true })
    await attention(copy, { data: sound.heldOut, pruned: out, limit: 1 })
  })

  test('a run without heads that left, an unfinished one, a decoder and data without places are refused', async () => {
    const out = join(root, 'rows')
    const stages = [{ method: 'rows', criterion: 'l1', keep: 24 }]
    await compress({ model: speech, sound: { targets: sound.targets }, out, stages, threads: 1 }).result
    await assert.rejects(attention(speech, { data: sound.heldOut, pruned: out }), {
      code: 'ERR_DATA',
      message: `${join(out, 'report.json')}: expected heads that have left, found none`,
      hint: 'Give a run with a stage heads.',
    })
    await assert.rejects(attention(speech, { data: sound.heldOut, pruned: root }), { code: 'ERR_NOT_FOUND' })
    const decoder = await writeTinyModel(join(root, 'decoder'))
    await assert.rejects(attention(decoder, { data: sound.heldOut }), {
      code: 'ERR_MODEL_CONFIG',
      message: /expected an encoder of speech or text, received llama, whose heads look back alone/,
      hint: /MelHuBERT, HuBERT/,
    })
    const file = join(root, 'short.wav')
    await assert.rejects(attention(speech, { data: file }), {
      code: 'ERR_DATA',
      message: `${file}: expected sound or texts of two places, found none`,
      hint: 'A single place has nowhere to look: give longer ones.',
    })
    await assert.rejects(attention(speech, { data: [] }), {
      code: 'ERR_CONFIG',
      message: /attention: data: expected at least one source/,
    })
    await assert.rejects(attention(speech, { data: sound.heldOut, limit: 0 }), {
      code: 'ERR_CONFIG',
      message: /limit: expected a whole number from 1/,
    })
  })

  test('it is stopped at any document', async () => {
    const stop = new AbortController()
    const run = attention(speech, {
      ...{ data: sound.train, threads: 1, signal: stop.signal },
      onProgress: ({ done }) => done === 2 && stop.abort(new Error('enough')),
    })
    await assert.rejects(run, /enough/)
    const encoder = await loadModel(speech)
    await encoder.dispose()
  })

  test('as a command: a table of heads, or one JSON document', async () => {
    const args = ['attention', speech, '--data', sound.heldOut, '--threads', '1']
    const shown = await cli([...args, '--pruned', join(root, 'run')])
    assert.equal(shown.code, 0, shown.err)
    assert.match(shown.out, /^layer +head +diagonality +verticality +globality +step +stage +score$/m)
    assert.match(shown.out, /^spread +0\.\d+$/m)
    const { code, out } = await cli([...args, '--limit', '1', '--json'])
    assert.equal(code, 0)
    assert.equal(JSON.parse(out).documents, 1)
    const refused = await cli(['attention', speech])
    assert.equal(refused.code, 2)
    assert.match(refused.err, /expected --data, received none/)
  })
})
