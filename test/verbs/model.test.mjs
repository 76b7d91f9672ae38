// A loaded model as users have it. Its numbers are compared in test/golden, its life under stress in test/stress.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { inspect, loadModel, TongueforgeError } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('model', () => {
  const root = temporaryFolder()
  const folder = join(root, 'model')
  let model
  before(async () => {
    await writeTinyModel(folder)
    model = await loadModel(folder, { threads: 1 })
  })
  after(() => model.dispose())

  const copy = (name) => {
    cpSync(folder, join(root, name), { recursive: true })
    return join(root, name)
  }

  test('pieces together are the text, ids together the ids, and a continuation goes on where the prompt ends', async () => {
    const run = model.generate('the police', { maxNewTokens: 12 })
    const pieces = []
    for await (const piece of run) pieces.push(piece)
    const result = await run.result
    assert.equal(pieces.map(({ text }) => text).join(''), result.text)
    assert.deepEqual(
      pieces.flatMap(({ ids }) => ids),
      result.ids,
    )
    const { tokenizer } = await model.text()
    const prompt = await tokenizer.encodePrompt('the police')
    assert.equal(await tokenizer.decode([...prompt, ...result.ids]), `the police${result.text}`)
    assert.equal(result.finish_reason, 'length')
    assert.ok(result.tokens_per_second > 0)
  })

  test('same seed, same text; another seed, another; no temperature, no chance', async () => {
    const say = async (options) => (await model.generate('the', { maxNewTokens: 20, ...options }).result).text
    assert.equal(await say({ temperature: 1, seed: 3 }), await say({ temperature: 1, seed: 3 }))
    assert.notEqual(await say({ temperature: 1, seed: 3 }), await say({ temperature: 1, seed: 4 }))
    assert.equal(await say({ seed: 3 }), await say({ seed: 4 }))
    assert.equal(await say({ temperature: 1, topK: 1 }), await say({}))
  })

  test('what is no token id is refused, not turned into another one', async () => {
    for (const id of [2 ** 32 + 1, 1.5, Number.NaN, 'x']) {
      await assert.rejects(model.generate([1, id]).result, { code: 'ERR_DATA', message: /at 1$/ })
      await assert.rejects(model.scoreIds([[1, id]]), { code: 'ERR_DATA' })
    }
  })

  test('rows of unequal length are refused by number, and none as well', async () => {
    for (const rows of [
      [[5], Array(20).fill(6)],
      [Array(20).fill(6), [5]],
      [[1, 2], [3, 4], [5]],
    ])
      await assert.rejects(model.logits(rows), (error) => {
        const odd = rows.findIndex(({ length }) => length !== rows[0].length)
        const what = `${rows[0].length} tokens in row 0 and ${rows[odd].length} in row ${odd}`
        assert.deepEqual(
          [error.code, error.message],
          ['ERR_DATA', `Expected rows of equal length, received ${what}`],
        )
        return true
      })
    await assert.rejects(model.logits([]), { code: 'ERR_DATA', message: /at least one row/ })
  })

  test('options that native code refuses at once are TongueforgeErrors too, and too many threads are refused', async () => {
    for (const options of [{ dtype: 'int3' }, { threads: 100_000 }, { threads: -1 }]) {
      await assert.rejects(loadModel(folder, options), (error) => {
        assert.ok(error instanceof TongueforgeError)
        assert.equal(error.code, 'ERR_USAGE')
        return true
      })
    }
  })

  test('an answer ends with the positions of the model, whether it serves or not, and a prompt that fills them is refused', async () => {
    const serves = await loadModel(folder, { threads: 1, serving: true })
    const row = (length) => Array.from({ length }, (_, i) => 5 + ((i * 7) % 40))
    const [counts, refusals, ends] = [[], [], []]
    for (const one of [model, serves]) {
      const options = { maxNewTokens: 300, stopIds: [] }
      const rows = await one.generateIds([row(250), row(4)], options)
      counts.push(rows.map(({ ids, finish_reason }) => [ids.length, finish_reason]))
      ends.push(rows.map(({ ids }) => ids.slice(0, 6)))
      refusals.push(await one.generate(row(256), { maxNewTokens: 0 }).result.catch((error) => error))
      await assert.rejects(one.generateIds([row(3), row(300)], options), {
        code: 'ERR_CONTEXT',
        message: /^Expected a prompt of 1 to 255 tokens, received 300/,
      })
    }
    await serves.dispose()
    const expected = [
      [6, 'length'],
      [252, 'length'],
    ]
    assert.deepEqual(counts, [expected, expected])
    assert.deepEqual(ends[0], ends[1])
    for (const { code, message, hint } of refusals) {
      assert.deepEqual([code, message], ['ERR_CONTEXT', 'Expected a prompt of 1 to 255 tokens, received 256'])
      assert.match(hint, /^The context has 256 positions: shorten the prompt/)
    }
    assert.ok((await model.scoreIds([row(300)]))[0].tokens === 299, 'longer texts are scored in windows')
  })

  test('a stop string ends the text before it', async () => {
    const whole = await model.generate('the', { maxNewTokens: 30, temperature: 1, seed: 5 }).result
    const words = whole.text.trim().split(' ')
    const stop = words[6]
    const cut = await model.generate('the', { maxNewTokens: 30, temperature: 1, seed: 5, stop: [stop] })
      .result
    assert.equal(cut.text, whole.text.slice(0, whole.text.indexOf(stop)))
    assert.equal(cut.finish_reason, 'stop')
    assert.ok(cut.ids.length <= whole.ids.length)
  })

  test('stop ids come from the folder: all eos ids, and the end of turn of the template', async () => {
    assert.deepEqual(await model.stopIds(), [4])
    const other = copy('eos')
    writeFileSync(join(other, 'generation_config.json'), JSON.stringify({ eos_token_id: [0, 7] }))
    const loaded = await loadModel(other, { threads: 1 })
    assert.deepEqual(await loaded.stopIds(), [0, 4, 7])
    await loaded.dispose()
  })

  test('a chat answer stands alone: it begins with a word, not with a space', async () => {
    const { text } = await model.chat([{ role: 'user', content: 'what ?' }], { maxNewTokens: 5 }).result
    assert.match(text, /^\S/)
  })

  test('leaving the loop early stops the work, and the signal’s reason is what loop and result reject with', async () => {
    const long = await loadModel(await writeTinyModel(join(root, 'long'), { positions: 2 ** 21 }), {
      threads: 1,
    })
    const left = long.generate('the', { maxNewTokens: 1_000_000 })
    for await (const _ of left) break
    await assert.rejects(left.result, { name: 'AbortError' })
    const reason = new Error('no more')
    const stop = new AbortController()
    const run = long.generate('the', { maxNewTokens: 1_000_000, signal: stop.signal })
    await assert.rejects(async () => {
      for await (const _ of run) stop.abort(reason)
    }, reason)
    await assert.rejects(run.result, reason)
    await long.dispose()
    await assert.rejects(loadModel(folder, { signal: AbortSignal.abort(reason) }), reason)
  })

  test('a model folder without a tokenizer runs on ids', async () => {
    const bare = copy('bare')
    rmSync(join(bare, 'tokenizer.json'))
    const loaded = await loadModel(bare, { threads: 1 })
    const result = await loaded.generate([1, 2, 3], { maxNewTokens: 4 }).result
    assert.equal(result.ids.length, 4)
    assert.equal(result.text, '')
    await assert.rejects(loaded.generate('text').result, { code: 'ERR_TOKENIZER' })
    await loaded.dispose()
  })

  test('options out of range are refused by name', async () => {
    const cases = {
      temperature: -1,
      topP: 2,
      topK: 0.5,
      maxNewTokens: -1,
      repetitionPenalty: 0,
      seed: -1,
      minP: 'x',
    }
    for (const [name, value] of Object.entries(cases)) {
      await assert.rejects(model.generate('the', { [name]: value }).result, (error) => {
        assert.ok(error instanceof TongueforgeError)
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, new RegExp(`^${name}: expected`))
        return true
      })
    }
    await assert.rejects(loadModel(folder, { dtype: 'float8' }), { code: 'ERR_USAGE' })
    await assert.rejects(loadModel(folder, { device: 'cuda' }), { code: 'ERR_DEVICE' })
  })

  test('one stop text is a list of one; what is no text, and an id that no token has, are refused by name', async () => {
    const say = (stop) =>
      model.generate('the', { maxNewTokens: 30, temperature: 1, seed: 5, stop }).result.then(
        ({ text, finish_reason }) => [text, finish_reason],
        (error) => error,
      )
    const [whole] = await say([])
    const word = whole.trim().split(' ')[6]
    assert.deepEqual(await say(word), [whole.slice(0, whole.indexOf(word)), 'stop'])
    assert.deepEqual(await say(word), await say([word]))
    for (const [stop, received] of [
      [['the', 1], '["the",1]'],
      [5, '5'],
      [{ text: 'the' }, '{"text":"the"}'],
    ]) {
      const { code, message, details } = await say(stop)
      assert.equal(code, 'ERR_USAGE')
      assert.equal(message, `stop: expected a text, or a list of texts, received ${received}`)
      assert.deepEqual(details, { option: 'stop', expected: 'a text, or a list of texts', received: stop })
    }
    const end = (stopIds) => model.generateIds([[1, 5]], { maxNewTokens: 3, stopIds })
    const last = model.spec.vocab_size - 1
    for (const id of [1.5, -1, last + 1, Number.NaN, 'x'])
      await assert.rejects(end([0, id]), {
        code: 'ERR_USAGE',
        message: `stopIds: expected token ids, whole numbers from 0 to ${last}, received ${typeof id === 'string' ? '"x"' : id} at 1`,
        details: {
          option: 'stopIds',
          expected: `token ids, whole numbers from 0 to ${last}`,
          received: id,
          place: 1,
        },
      })
    await assert.rejects(end(4), {
      code: 'ERR_USAGE',
      message: /^stopIds: expected a list of .*, received 4$/,
    })
    const [free] = await end([])
    assert.equal(free.ids.length, 3)
    for (const ids of [[last, free.ids[1]], Int32Array.of(last, free.ids[1])])
      assert.deepEqual(await end(ids), [{ ids: free.ids.slice(0, 1), finish_reason: 'stop' }])
  })

  test('weights that do not fit the config are refused by tensor, shape and file', async () => {
    const change = async (name, changes) => {
      const other = copy(name)
      const config = JSON.parse(readFileSync(join(other, 'config.json'), 'utf8'))
      writeFileSync(join(other, 'config.json'), JSON.stringify({ ...config, ...changes }))
      return loadModel(other)
    }
    await assert.rejects(change('wide', { intermediate_size: 64 }), (error) => {
      assert.equal(error.code, 'ERR_SHAPE_MISMATCH')
      assert.match(
        error.message,
        /Expected shape \[64, 32\] for model\.layers\.0\.mlp\.gate_proj\.weight, received \[128, 32\]/,
      )
      assert.match(error.details.file, /model\.safetensors$/)
      return true
    })
    await assert.rejects(change('deep', { num_hidden_layers: 3 }), { code: 'ERR_MISSING_TENSOR' })
    await assert.rejects(change('flat', { num_hidden_layers: 1 }), { code: 'ERR_UNEXPECTED_TENSOR' })
    await assert.rejects(change('tied', { tie_word_embeddings: true }), { code: 'ERR_TIED_WEIGHTS' })
  })

  test('bfloat16 comes close to float32, and a disposed model says so', async () => {
    const ids = [[1, 9, 14, 30]]
    const { data: exact } = await model.logits(ids)
    const rough = await loadModel(folder, { dtype: 'bfloat16', threads: 1 })
    const { data } = await rough.logits(ids)
    const largest = Math.max(...exact.map(Math.abs))
    const furthest = Math.max(...data.map((value, i) => Math.abs(value - exact[i])))
    assert.ok(furthest > 0 && furthest < 0.05 * largest, `${furthest} of ${largest}`)
    await rough.dispose()
    await rough.dispose()
    await assert.rejects(rough.logits(ids), { code: 'ERR_DISPOSED' })
  })

  test('inspect tells what the folder holds', async () => {
    const found = await inspect(folder)
    assert.equal(found.architecture, 'llama')
    assert.equal(found.dtype, 'F32')
    assert.equal(found.bytes, 4 * found.parameters.total)
    assert.equal(found.parameters.nonzero, found.parameters.total)
    assert.equal(found.tensors.length, 3 + 2 * 9)
    const sum = found.tensors.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b), 0)
    assert.equal(sum, found.parameters.total)
    assert.equal(found.scan, undefined)
    const scanned = (await inspect(folder, { scan: true })).scan
    assert.deepEqual(
      scanned.map(({ name, nan, inf }) => [name, nan, inf]),
      found.tensors.map(({ name }) => [name, 0, 0]),
    )
  })
})
