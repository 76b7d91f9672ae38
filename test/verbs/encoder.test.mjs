// A text encoder from its folder: vectors, labels, hidden words, and models whose blocks differ.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { inspect, loadDecoder, loadEncoder, loadModel } from 'tongueforge'
import { withLayers } from '#lib/checkpoint/layer_config'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays, writeArrays } from '../helpers/safetensors.mjs'
import { encoderConfig, idOf, sentence, WORDS, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

const root = temporaryFolder()
const [masked, classifier] = ['masked', 'classifier'].map((name) => join(root, name))
const texts = Array.from({ length: 12 }, (_, i) => sentence(i))
const classes = {
  architectures: ['BertForSequenceClassification'],
  id2label: { 0: 'calm', 1: 'loud', 2: 'sad' },
}
const close = (a, b, within) => a.every((x, i) => Math.abs(x - b[i]) <= within)

before(async () => {
  await writeTinyEncoder(masked)
  await writeTinyEncoder(classifier, encoderConfig(classes))
})

describe('an encoder in memory', () => {
  test('takes --sparse from the command line, as loadModel does', async () => {
    for (const verb of ['embed', 'classify']) {
      const { code, err } = await cli([verb, classifier, '--text', texts[0], '--sparse', 'auto'])
      assert.equal(code, 0, err)
      assert.match(err, /sparse: of 0 layers with zeros 0 when decoding/)
    }
  })

  test('embeds many texts as each alone, in their order, and on request to length 1', async () => {
    const model = await loadModel(masked, { threads: 1 })
    const vectors = await model.embed(texts)
    for (const [i, text] of texts.entries()) {
      const [alone] = await model.embed([text])
      assert.ok(close(vectors[i], alone, 1e-6), `text ${i}`)
    }
    const [first] = await model.embed(texts, { pooling: 'cls', normalize: true })
    assert.ok(Math.abs(first.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-5)
    assert.ok(!close(first, vectors[0], 1e-3))
    assert.deepEqual(await model.embed([]), [])
    assert.deepEqual(await model.embed(texts[0]), await model.embed([texts[0]]))
    await model.dispose()
    await assert.rejects(model.embed(texts), {
      code: 'ERR_DISPOSED',
      message: 'This encoder was disposed of',
    })
  })

  test('refuses to answer with what is no number, and names the text', async () => {
    for (const folder of [masked, classifier]) {
      const broken = `${folder}-broken`
      cpSync(folder, broken, { recursive: true })
      const tensors = readArrays(join(broken, 'model.safetensors'))
      const written = Object.entries(tensors).map(([name, { shape, data }]) => {
        const [, width] = shape
        if (name.endsWith('word_embeddings.weight'))
          data.fill(Number.NaN, idOf('cat') * width, (idOf('cat') + 1) * width)
        return { name, shape, dtype: 'float32', data }
      })
      writeArrays(join(broken, 'model.safetensors'), written)
      const model = await loadModel(broken, { threads: 1 })
      const asked = ['the dog', 'a bird', 'the old cat']
      const refused = { code: 'ERR_NON_FINITE', message: /no numbers in row 2$/ }
      await assert.rejects(model.embed(asked), refused)
      await assert.rejects(model.embed(asked, { pooling: 'cls', normalize: true }), refused)
      if (folder === classifier) await assert.rejects(model.classify(asked), refused)
      else
        await assert.rejects(model.fillMask(`${asked[2]} [MASK]`), {
          code: 'ERR_NON_FINITE',
          message: /no numbers in row 0$/,
        })
      assert.equal((await model.embed(asked.slice(0, 2))).length, 2)
      await model.dispose()
    }
  })

  test('refuses a text without room, and cuts its end on request but not its last token', async () => {
    const model = await loadEncoder(masked, { threads: 1 })
    const long = Array.from({ length: 50 }, (_, i) => WORDS[i % WORDS.length])
    await assert.rejects(model.embed([long.join(' ')]), (error) => {
      assert.equal(error.code, 'ERR_DATA')
      assert.equal(error.message, 'Expected texts of at most 32 tokens, received one of 52')
      assert.match(error.hint, /learnt position/)
      return true
    })
    const [cut] = await model.embed([long.join(' ')], { truncate: true })
    const ids = [idOf('[CLS]'), ...long.slice(0, 30).map(idOf), idOf('[SEP]')]
    assert.ok(close(cut, (await model.embedIds([ids]))[0], 1e-6))
    await model.dispose()
  })

  test('fills in hidden words, the likeliest first', async () => {
    const model = await loadEncoder(masked, { threads: 1 })
    const [one, two] = await model.fillMask('the [MASK] sees a [MASK]', { topK: 3 })
    assert.deepEqual([one.place, two.place], [2, 5])
    assert.equal(one.candidates.length, 3)
    assert.ok(one.candidates[0].probability >= one.candidates[1].probability)
    assert.equal(idOf(one.candidates[0].token), one.candidates[0].id)
    const { data, shape } = await model.logits([
      ['[CLS]', 'the', '[MASK]', 'sees', 'a', '[MASK]', '[SEP]'].map(idOf),
    ])
    const logits = data.subarray(2 * shape[2], 3 * shape[2])
    assert.equal(one.candidates[0].id, logits.indexOf(Math.max(...logits)))
    await assert.rejects(model.fillMask('no such word'), { code: 'ERR_DATA', hint: /Write \[MASK\]/ })
    await assert.rejects(model.classify(texts), {
      code: 'ERR_MODEL_CONFIG',
      hint: /BertForSequenceClassification/,
    })
    await model.dispose()
  })

  test('labels texts by the names of its config; problem_type decides what a score is', async () => {
    const model = await loadEncoder(classifier, { threads: 1 })
    const [first] = await model.classify(texts)
    assert.deepEqual(Object.keys(first.scores), ['calm', 'loud', 'sad'])
    assert.equal(first.score, Math.max(...Object.values(first.scores)))
    assert.equal(first.scores[first.label], first.score)
    assert.ok(Math.abs(Object.values(first.scores).reduce((a, b) => a + b) - 1) < 1e-6)
    const [logits] = await model.classifyIds([await (await model.text()).tokenizer.encode(texts[0])])
    await model.dispose()
    const other = join(root, 'several')
    cpSync(classifier, other, { recursive: true })
    for (const [problem_type, value] of [
      ['multi_label_classification', (x) => 1 / (1 + Math.exp(-x))],
      ['regression', (x) => x],
    ]) {
      writeFileSync(join(other, 'config.json'), JSON.stringify(encoderConfig({ ...classes, problem_type })))
      const read = await loadEncoder(other, { threads: 1 })
      const [{ scores }] = await read.classify(texts)
      await read.dispose()
      assert.ok(close(Object.values(scores), [...logits].map(value), 1e-5), problem_type)
    }
  })

  test('scores one label by itself whatever problem_type says, save regression', async () => {
    const folder = join(root, 'one')
    const config = (problem_type) => encoderConfig({ ...classes, id2label: { 0: 'toxic' }, problem_type })
    await writeTinyEncoder(folder, config())
    for (const problem_type of [undefined, 'single_label_classification', 'multi_label_classification']) {
      writeFileSync(join(folder, 'config.json'), JSON.stringify(config(problem_type)))
      const model = await loadEncoder(folder, { threads: 1 })
      const [logits] = await model.classifyIds([await (await model.text()).tokenizer.encode(texts[0])])
      const [{ label, score, scores }] = await model.classify(texts[0])
      assert.equal(label, 'toxic')
      assert.ok(Math.abs(score - 1 / (1 + Math.exp(-logits[0]))) < 1e-6, `${problem_type}: ${score}`)
      assert.ok(score < 1)
      assert.deepEqual(scores, { toxic: score })
      await model.dispose()
    }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config('regression')))
    const model = await loadEncoder(folder, { threads: 1 })
    const [logits] = await model.classifyIds([await (await model.text()).tokenizer.encode(texts[0])])
    assert.ok(Math.abs((await model.classify(texts[0]))[0].score - logits[0]) < 1e-6)
    await model.dispose()
  })

  test('refuses two labels of one name: the score of one would be lost', async () => {
    const folder = join(root, 'twins')
    cpSync(classifier, folder, { recursive: true })
    const id2label = { 0: 'calm', 1: 'loud', 2: 'calm' }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(encoderConfig({ ...classes, id2label })))
    for (const load of [loadEncoder, loadModel])
      await assert.rejects(load(folder), ({ code, message, details }) => {
        assert.equal(code, 'ERR_MODEL_CONFIG')
        assert.match(
          message,
          /config\.json: id2label: expected a name of its own for each label, received .*0.*calm.*2.*calm/,
        )
        assert.deepEqual([details.key, details.received], ['id2label', { 0: 'calm', 2: 'calm' }])
        return true
      })
    assert.equal((await inspect(folder)).architecture, 'bert')
  })

  test('refuses serving, which would have no effect', async () => {
    for (const load of [loadEncoder, loadModel])
      for (const serving of [true, {}, { sequences: 2 }])
        await assert.rejects(load(masked, { serving }), {
          code: 'ERR_USAGE',
          message: 'serving: expected a model that writes text, received an encoder',
        })
    await (await loadEncoder(masked, { serving: false })).dispose()
  })

  test('says the loss of hidden tokens, the same for the same seed, near chance for random weights', async () => {
    const model = await loadEncoder(masked, { threads: 1 })
    const { tokenizer } = await model.text()
    const rows = await tokenizer.encodeBatch(texts)
    const one = await model.maskedLoss(rows, { seed: 4 })
    assert.deepEqual(await model.maskedLoss(rows, { seed: 4 }), one)
    assert.notEqual((await model.maskedLoss(rows, { seed: 5 })).loss, one.loss)
    assert.ok(one.tokens >= rows.length && one.loss > 1 && one.loss < 12, JSON.stringify(one))
    const all = await model.maskedLoss(rows, { probability: 1 })
    assert.equal(
      all.tokens,
      rows.reduce((sum, { length }) => sum + length - 2, 0),
    )
    await model.dispose()
  })

  test('stops when told to', async () => {
    const model = await loadEncoder(masked, { threads: 1 })
    const stop = new AbortController()
    const many = Array.from({ length: 5000 }, (_, i) => sentence(i))
    const work = model.embed(many, { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })
    await assert.rejects(work, /enough/)
    await model.dispose()
  })

  test('is refused where text is to be written, with a hint', async () => {
    await assert.rejects(loadDecoder(masked), { code: 'ERR_MODEL_CONFIG', hint: /llama, mistral/ })
  })
})

describe('the folder of an encoder', () => {
  const load = (folder, config) =>
    runJob('loadModel', { folder, spec: modelSpec(config), dtype: 'float32', threads: 1 })
  const save = async (model, folder, config) => {
    mkdirSync(folder)
    await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
    native().dispose(model)
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  }
  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))

  test('comes back byte for byte after loading and saving', async () => {
    for (const [name, config] of [
      ['masked', encoderConfig()],
      ['classifier', encoderConfig(classes)],
    ]) {
      const again = join(root, `${name}-again`)
      await save(await load(join(root, name), config), again, config)
      assert.ok(weights(again).equals(weights(join(root, name))), name)
    }
  })

  test('tells of tensors that belong to another class, and does not write them', async () => {
    const folder = join(root, 'more')
    cpSync(masked, folder, { recursive: true })
    const tensors = readArrays(join(folder, 'model.safetensors'))
    const write = (more) =>
      writeArrays(
        join(folder, 'model.safetensors'),
        Object.entries({ ...tensors, ...more }).map(([name, array]) => ({
          name,
          dtype: 'float32',
          ...array,
        })),
      )
    const extra = { shape: [16], data: new Float32Array(16) }
    write({ 'bert.pooler.dense.bias': extra })
    const model = await loadEncoder(folder)
    assert.deepEqual(model.unread, ['bert.pooler.dense.bias'])
    await model.dispose()
    write({ 'bert.nothing': extra })
    await assert.rejects(loadEncoder(folder), { code: 'ERR_UNEXPECTED_TENSOR', message: /bert\.nothing/ })
    write({ 'embeddings.word_embeddings.weight': tensors['bert.embeddings.word_embeddings.weight'] })
    await assert.rejects(loadEncoder(folder), {
      code: 'ERR_UNEXPECTED_TENSOR',
      message: /one tensor under two names: .*word_embeddings/,
    })
  })

  test('with blocks of several sizes and factored layers loads, runs, is inspected and saved', async () => {
    const layers = [
      { num_heads: 1, num_kv_heads: 1, intermediate_size: 9, window: 0, ranks: { 'output.dense': 3 } },
      { num_heads: 2, num_kv_heads: 2, intermediate_size: 24, window: 0, ranks: {} },
    ]
    const config = withLayers(encoderConfig(), layers, { head_dim: 8 })
    const folder = join(root, 'mixed')
    await writeTinyEncoder(folder, config)
    const model = await loadEncoder(folder, { threads: 1 })
    const [together, alone] = [(await model.embed(texts))[3], (await model.embed([texts[3]]))[0]]
    await model.dispose()
    assert.ok(close(together, alone, 1e-6))
    const { architecture, tensors, parameters } = await inspect(folder)
    const shapes = Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]))
    assert.equal(architecture, 'bert')
    assert.deepEqual(shapes['bert.encoder.layer.0.output.dense.in.weight'], [3, 9])
    assert.deepEqual(shapes['bert.encoder.layer.0.attention.self.query.weight'], [8, 16])
    assert.equal(
      parameters.total,
      tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0),
    )
    const handle = await load(folder, config)
    assert.deepEqual(
      await runJob('describeBlocks', { model: handle }),
      layers.map(({ window: _, ...one }) => one),
    )
    const again = join(root, 'mixed-again')
    await save(handle, again, config)
    assert.ok(weights(again).equals(weights(folder)))
  })
})

describe('the command line', () => {
  test('embed prints a line of numbers a text, or one JSON document', async () => {
    const file = join(root, 'texts.txt')
    writeFileSync(file, `${texts.slice(0, 3).join('\n')}\n\n`)
    const shown = await cli(['embed', masked, '--file', file, '--threads', '1'])
    assert.equal(shown.code, 0, shown.err)
    assert.deepEqual(
      shown.out
        .trim()
        .split('\n')
        .map((line) => line.split(' ').length),
      [16, 16, 16],
    )
    const one = await cli(['embed', masked, '--text', texts[0], '--normalize', '--json'])
    const { dimensions, vectors } = JSON.parse(one.out)
    assert.deepEqual([dimensions, vectors.length, vectors[0].length], [16, 1, 16])
  })

  test('classify prints label, score and text, and refuses a model without labels', async () => {
    const { out } = await cli(['classify', classifier, '--text', texts[0], '--json'])
    const [result] = JSON.parse(out).results
    assert.deepEqual(Object.keys(result), ['text', 'label', 'score', 'scores'])
    const failed = await cli(['classify', masked, '--text', texts[0], '--json'])
    assert.equal(failed.code, 2)
    assert.equal(JSON.parse(failed.out).error.code, 'ERR_MODEL_CONFIG')
  })
})
