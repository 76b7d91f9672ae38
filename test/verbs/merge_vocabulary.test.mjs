// Merges of models whose vocabularies differ: each row by the text of its token.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel, merge, mergeAdapter } from 'tongueforge'
import { Random } from '#lib/text/random'
import { Tokenizer } from '#lib/text/tokenizer'
import { writeBpeModel } from '../helpers/bpe_model.mjs'
import { byteLevelOn } from '../helpers/bpe_tokenizers.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays, writeArrays } from '../helpers/safetensors.mjs'

const EMBEDDING = 'model.embed_tokens.weight'
const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const MARKS = { a: 'the cat sat on the mat', b: 'der hund und die katze' }

describe('merge of unequal vocabularies', () => {
  const root = temporaryFolder()
  const [a, b, larger, spare] = ['a', 'b', 'larger', 'spare'].map((name) => join(root, name))
  let made = 0
  const out = () => join(root, `out-${made++}`)
  const run = (config, options) => merge(config, { out: out(), ...options })
  const linear = (models, more) => ({
    merge_method: 'linear',
    models: models.map((model) => ({ model })),
    parameters: { weight: 1 },
    ...more,
  })
  const deltas = (base_model, models, more) => ({
    ...linear(models, more),
    merge_method: 'task_arithmetic',
    base_model,
  })

  /** Row of a token in embedding or head; undefined where the model has none. */
  async function table(folder, name = EMBEDDING) {
    const ids = (await Tokenizer.load(folder)).vocabulary()
    const { shape, data } = readArrays(join(folder, 'model.safetensors'))[name]
    const [rows, width] = shape
    const row = (id) =>
      id === undefined || id >= rows ? undefined : [...data.subarray(id * width, (id + 1) * width)]
    return { ids, rows, row, of: (token) => row(ids.get(token)) }
  }
  const mean = (...rows) =>
    rows[0].map((_, i) => Math.fround(rows.reduce((sum, row) => sum + row[i], 0) / rows.length))

  before(async () => {
    const base = await byteLevelOn(MARKS.a, 6)
    await writeBpeModel(a, base, { seed: 1 })
    await writeBpeModel(b, await byteLevelOn(MARKS.b, 8), { seed: 2 })
    await writeBpeModel(larger, await byteLevelOn(MARKS.a, 12), { seed: 3 })
    await writeBpeModel(spare, base, { seed: 4, spare: 5 })
  })

  test('rows that stand in have the adapter of their model in them, one by one and in the mean of all', async () => {
    const adapter = join(root, 'adapter')
    mkdirSync(adapter)
    const { shape } = readArrays(join(b, 'model.safetensors'))['lm_head.weight']
    const random = new Random(5)
    const factor = (name, sizes) => ({
      name: `base_model.model.lm_head.lora_${name}.weight`,
      ...{ shape: sizes, dtype: 'float32' },
      data: Array.from({ length: sizes[0] * sizes[1] }, () => random.below(1001) / 1000 - 0.5),
    })
    const factors = [factor('A', [2, shape[1]]), factor('B', [shape[0], 2])]
    writeArrays(join(adapter, 'adapter_model.safetensors'), factors)
    const config = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['lm_head'] }
    writeFileSync(join(adapter, 'adapter_config.json'), JSON.stringify(config))
    const whole = out()
    await mergeAdapter({ model: b, adapter, out: whole })
    const tokenizer = { source: 'union', pad_to_multiple_of: 64 } // rows that nobody has: the mean of all
    const [here, before] = await Promise.all(
      [`${b}+${adapter}`, whole].map((second) => run(linear([a, second], { tokenizer }))),
    )
    assert.deepEqual(weights(here.out), weights(before.out))
    const plain = await run(linear([a, b], { tokenizer }))
    const [merged, without] = await Promise.all(
      [here, plain].map(({ out: folder }) => table(folder, 'lm_head.weight')),
    )
    for (const token of (await table(b)).ids.keys()) assert.notDeepEqual(merged.of(token), without.of(token))
  })

  for (const name of [EMBEDDING, 'lm_head.weight'])
    test(`union: rows of ${name} are means by token, and its own where one model has it`, async () => {
      const { out: folder, vocabulary } = await run(linear([a, b], { tokenizer: { source: 'union' } }))
      const [got, one, two] = await Promise.all([folder, a, b].map((place) => table(place, name)))
      for (const [token, id] of one.ids) assert.equal(got.ids.get(token), id) // ids of the first stay
      assert.deepEqual(
        [...got.ids.keys()].sort(),
        [...new Set([...one.ids.keys(), ...two.ids.keys()])].sort(),
      )
      for (const token of got.ids.keys()) {
        const [x, y] = [one.of(token), two.of(token)]
        assert.deepEqual(got.of(token), x && y ? mean(x, y) : (x ?? y), token)
      }
      assert.equal(vocabulary.rows, got.rows)
      assert.equal(json(folder, 'config.json').vocab_size, got.rows)
      const model = await loadModel(folder, { threads: 1 })
      await model.dispose()
    })

  test('a tokenizer of union cuts the text of each model as that one does', async () => {
    const { out: folder } = await run(linear([a, b], { tokenizer: {} }))
    const [union, ...own] = await Promise.all([folder, a, b].map((place) => Tokenizer.load(place)))
    for (const [i, text] of [MARKS.a.slice(0, 7), 'hund'].entries()) {
      const pieces = async (tokenizer) =>
        [...(await tokenizer.encode(text))].map((id) => tokenizer.idToToken(id))
      assert.deepEqual(await pieces(union), await pieces(own[i]), text)
    }
  })

  test('a token that a model lacks has no delta where the base knows it', async () => {
    const config = deltas(a, [larger], { tokenizer: { source: larger } })
    const { out: folder, vocabulary } = await run(config)
    const [got, base, chat] = await Promise.all([folder, a, larger].map((place) => table(place)))
    const close = (x, y, token) => {
      for (const [i, value] of x.entries())
        assert.ok(Math.abs(value - y[i]) < 1e-6, `${token}[${i}]: ${value}, ${y[i]}`)
    }
    for (const token of chat.ids.keys()) close(got.of(token), chat.of(token), token)
    const fewer = await run(deltas(larger, [a], { tokenizer: { source: 'base' } }))
    const kept = await table(fewer.out)
    for (const token of chat.ids.keys()) close(kept.of(token), base.of(token) ?? chat.of(token), token)
    assert.equal(vocabulary.rows_from_other_models, chat.ids.size - base.ids.size)
  })

  test('`tokens` gives a row to all models, from another token, or zeros; pad_to_multiple_of adds means', async () => {
    const { ids } = await table(a)
    const [x, y] = [...ids.keys()].filter((token) => token.length === 1).slice(0, 2)
    const tokens = {
      [x]: { source: { kind: 'model_token', model: b, token: y }, force: true },
      [y]: { source: { kind: 'zero' }, force: true },
    }
    const tokenizer = { source: 'base', tokens, pad_to_multiple_of: 64 }
    const { out: folder } = await run(linear([a, b], { tokenizer }))
    const [got, other] = await Promise.all([folder, b].map((place) => table(place)))
    assert.deepEqual(got.of(x), other.of(y))
    assert.ok(got.of(y).every((value) => value === 0))
    assert.equal(got.rows % 64, 0)
    const [one, two] = await Promise.all([a, b].map((place) => table(place)))
    const all = ({ rows, row }) => Array.from({ length: rows }, (_, id) => row(id))
    const expected = mean(mean(...all(one)), mean(...all(two)))
    for (const [i, value] of got.row(got.rows - 1).entries())
      assert.ok(Math.abs(value - expected[i]) < 1e-6, `${value} and ${expected[i]}`)
  })

  test('a model that only lends rows has the width of those that are merged, told by a dry run too', async () => {
    const wide = join(root, 'wide')
    await writeBpeModel(wide, await byteLevelOn(MARKS.b, 8), { seed: 2, width: 64 })
    const [token] = (await table(a)).ids.keys()
    const tokenizer = { source: 'base', tokens: { [token]: { source: wide, force: true } } }
    for (const dryRun of [true, false])
      await assert.rejects(run(linear([a, b], { tokenizer }), { dryRun }), {
        code: 'ERR_SHAPE_MISMATCH',
        message: /embed_tokens\.weight in .*a: \[\d+, 32\]; .*embed_tokens\.weight in .*wide: \[\d+, 64\]/,
        hint: /Only models of one size/,
      })
  })

  test('without a section the largest vocabulary is kept, with a warning, or else all tokens are', async () => {
    const warnings = []
    const onWarning = (text) => warnings.push(text)
    const { out: folder } = await run(linear([a, larger]), { onWarning })
    const [got, one, two] = await Promise.all([folder, a, larger].map((place) => table(place)))
    assert.match(warnings[0], /the result has the tokenizer of .*larger/)
    for (const token of two.ids.keys())
      assert.deepEqual(
        got.of(token),
        one.of(token) ? mean(one.of(token), two.of(token)) : two.of(token),
        token,
      )
    const both = await run(linear([a, b]))
    assert.match(both.warnings[0], /the tokens of all models, as `tokenizer: \{source: union\}` has them/)
    const named = await run(linear([a, b], { tokenizer: { source: 'union' } }))
    assert.ok(weights(both.out).equals(weights(named.out)))
  })

  test('tokenizer_source says the same as tokenizer.source, also with model: before a path', async () => {
    for (const [old, source] of [
      ['base', 'base'],
      ['union', 'union'],
      [`model:${b}`, b],
    ]) {
      const made = [{ tokenizer_source: old }, { tokenizer: { source } }].map((keys) =>
        run(deltas(a, [a, larger, b], keys)),
      )
      const [one, two] = await Promise.all(made)
      assert.ok(weights(one.out).equals(weights(two.out)), old)
      assert.equal(one.vocabulary.tokenizer, source === b ? b : a)
    }
  })

  test('rows to spare are kept; with compat they go, as mergekit has it', async () => {
    const { rows } = await table(spare)
    const kept = await run(linear([spare, a]))
    assert.equal(kept.vocabulary.rows, rows)
    const trimmed = await run(linear([spare, a], { compat: 'mergekit', tokenizer: { source: 'union' } }))
    assert.equal(trimmed.vocabulary.rows, rows - 5)
  })

  test('compat without a section takes the first rows of all, with a warning, and refuses a larger base', async () => {
    const { out: folder, warnings } = await run(linear([a, larger], { compat: 'mergekit' }))
    const [got, one, two] = await Promise.all([folder, a, larger].map((place) => table(place)))
    assert.equal(got.rows, one.rows)
    assert.match(warnings.join(), /the first \d+, as mergekit does it/)
    for (let id = 0; id < got.rows; id++)
      for (const [i, value] of got.row(id).entries())
        assert.ok(Math.abs(value - (one.row(id)[i] + two.row(id)[i]) / 2) < 1e-6)
    await assert.rejects(run(deltas(larger, [a], { compat: 'mergekit' })), {
      code: 'ERR_VOCABULARY',
      message: /no model with fewer rows than base_model/,
      hint: /mergekit fails here, too/,
    })
  })

  test('a model without tokenizer.json is refused where rows would be matched', async () => {
    const bare = join(root, 'bare')
    cpSync(larger, bare, { recursive: true })
    rmSync(join(bare, 'tokenizer.json'))
    await assert.rejects(run(linear([a, bare])), { code: 'ERR_VOCABULARY', hint: /Copy tokenizer.json/ })
    await assert.rejects(run(linear([a, bare], { tokenizer: {} })), {
      code: 'ERR_TOKENIZER',
      message: /bare: expected tokenizer.json, as the config has a tokenizer section/,
    })
  })

  test('chat templates: by name, the most common one, one written out', async () => {
    const mannered = join(root, 'mannered')
    cpSync(a, mannered, { recursive: true })
    const own = "{% for m in messages %}{{ '<|tag|>' + m['content'] + '<|tag|>' }}{% endfor %}"
    writeFileSync(join(mannered, 'chat_template.jinja'), own)
    const read = (folder) => readFileSync(join(folder, 'chat_template.jinja'), 'utf8')
    const quiet = await run(linear([a, mannered]))
    assert.match(quiet.warnings.join(), /no chat template, .* though .*mannered has one/)
    assert.equal(read((await run(linear([a, mannered], { chat_template: 'auto' }))).out), own)
    const chatml = await run(linear([a, mannered], { chat_template: 'chatml' }))
    assert.match(read(chatml.out), /<\|im_start\|>/)
    assert.match(chatml.warnings.join(), /no token of the result closes a turn/)
    const written = '{{ messages[0].content }} and no more'
    assert.equal(read((await run(linear([a, mannered], { chat_template: written }))).out), written)
    await assert.rejects(run(linear([a, larger], { chat_template: 'auto' })), {
      code: 'ERR_TEMPLATE',
      hint: /chatml/,
    })
  })
})
