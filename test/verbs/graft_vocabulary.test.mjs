// A chat vector between models whose vocabularies differ, on whole folders: every row of the result is computed here
// again, from the rows of the tokens that mean the same.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { extendVocabulary, graft, loadModel } from 'tongueforge'
import { Tokenizer } from '#lib/text/tokenizer'
import { cli } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { CHATML } from '../helpers/tokenizers.mjs'
import { CASES, meaningsOf, writeCase } from '../helpers/vocabulary_models.mjs'

const SCALE = 0.7
const PADDED = 'the target is longer and padded, the chat model has tags'
const ROWS = ['model.embed_tokens.weight', 'lm_head.weight']
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const weightFiles = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .sort()
const arraysOf = (folder) =>
  Object.assign({}, ...weightFiles(folder).map((name) => readArrays(join(folder, name))))

describe('graft between vocabularies', () => {
  for (const name of Object.keys(CASES))
    test(`${name}: every row is right`, async () => {
      const { models, report } = await grafted(name)
      await checkRows(models, report)
      assert.deepEqual(weightFiles(report.out), weightFiles(models.target))
      const model = await loadModel(report.out, { threads: 1 })
      const { ids } = await model.generate('the cat', { maxNewTokens: 3 }).result
      assert.ok(ids.length > 0)
      await model.dispose()
    })

  test('at scale 0 the target keeps every value, and gets the chat model’s tags', async () => {
    const { models, report } = await grafted(PADDED, { scale: 0 })
    const [got, target, chat] = [report.out, models.target, models.chat].map(arraysOf)
    const { added_tokens, rows } = report.vocabulary
    assert.deepEqual(Object.keys(added_tokens), ['<|im_start|>', '<|im_end|>'])
    assert.deepEqual([rows.before, rows.after], [target[ROWS[0]].shape[0], got[ROWS[0]].shape[0]])
    const ids = (await Tokenizer.load(models.chat)).vocabulary()
    for (const [name, { data, shape }] of Object.entries(target)) {
      const expected = new Float32Array(data)
      const width = data.length / shape[0]
      if (ROWS.includes(name))
        for (const [token, row] of Object.entries(added_tokens)) {
          const from = ids.get(token) * width
          expected.set(chat[name].data.subarray(from, from + width), row * width)
        }
      assert.deepEqual(got[name].data, expected, name)
    }
  })

  test('the result speaks the chat model’s template with ids of its own, and stops at its end of turn', async () => {
    const { models, report } = await grafted(PADDED)
    const { out, vocabulary } = report
    const end = vocabulary.added_tokens['<|im_end|>']
    assert.notEqual(end, (await Tokenizer.load(models.chat)).tokenToId('<|im_end|>'))
    assert.equal(json(out, 'generation_config.json').eos_token_id.includes(end), true)
    assert.equal(json(out, 'config.json').vocab_size, vocabulary.rows.after)
    const model = await loadModel(out, { threads: 1 })
    const { tokenizer, template } = await model.text()
    const ids = await tokenizer.encodePrompt(template.render([{ role: 'user', content: 'the cat' }]))
    assert.deepEqual([ids[1], ids.at(-2)], [vocabulary.added_tokens['<|im_start|>'], end])
    assert.ok((await model.stopIds()).includes(end))
    const pieces = []
    for await (const { text } of model.chat([{ role: 'user', content: 'the cat' }], { maxNewTokens: 4 }))
      pieces.push(text)
    assert.ok(pieces.length > 0)
    await model.dispose()
  })

  test('with two chat models of two tokenizers the order of ids in either does not matter', async () => {
    const { models, report } = await grafted('the base has its ids in another order')
    const swapped = await grafted('the base has its ids in another order', {}, ({ target, base, chat }) => ({
      target,
      base: chat,
      chat: base,
    }))
    await checkRows(models, report)
    await checkRows(swapped.models, swapped.report)
  })

  test('the plan counts what the run writes, and a dry run tells the table', async () => {
    const { models, report } = await grafted(PADDED)
    const plan = await graft({ ...models, scale: SCALE, out: join(temporaryFolder(), 'out'), dryRun: true })
    assert.equal(plan.bytes_to_write, report.bytes_written)
    assert.deepEqual(plan.vocabulary, report.vocabulary)
    assert.deepEqual(json(report.out, 'report.json').vocabulary, report.vocabulary)
  })

  test('the same graft gives the same bytes', async () => {
    const { models, report } = await grafted(PADDED)
    const { out } = await graft({ ...models, scale: SCALE, out: join(temporaryFolder(), 'again') })
    for (const name of [...weightFiles(out), 'tokenizer.json', 'config.json', 'generation_config.json'])
      assert.ok(readFileSync(join(out, name)).equals(readFileSync(join(report.out, name))), name)
  })

  test('the command prints the table', async () => {
    const root = temporaryFolder()
    const { target, base, chat } = await writeCase(PADDED, root)
    const args = ['graft', '--target', target, '--base', base, '--chat', chat, '--out', join(root, 'out')]
    const { code, out, err } = await cli(args)
    assert.equal(code, 0, err)
    assert.match(out, /^vocabulary {2}\d+ -> \d+ rows$|^vocabulary {2}\d+ rows$/m)
    assert.match(out, /^ {2}kept: in the target only +3 {2}"ß" "à" "é"$/m)
    assert.match(out, /^ {2}added from the chat model +2 {2}"<\|im_start\|>" "<\|im_end\|>"$/m)
    assert.match(out, /^not added {3}1 tokens that no conversation uses: "<\|reserved\|>"$/m)
  })

  test('a model of other rows without a tokenizer is refused, and nothing is written', async () => {
    const root = temporaryFolder()
    const models = await writeCase(PADDED, root)
    const bare = join(root, 'bare')
    cpSync(models.base, bare, { recursive: true, filter: (path) => !path.endsWith('tokenizer.json') })
    await assert.rejects(graft({ ...models, base: bare, out: join(root, 'out') }), { code: 'ERR_VOCABULARY' })
    assert.ok(!readdirSync(root).includes('out'))
  })

  dataTest(
    'stories260K with German tokens as target, with ChatML tags as chat model: text is as probable as before',
    ['models/stories260K_hf', 'corpus/genesis_german.txt'],
    async (_t, [stories, german]) => {
      const root = temporaryFolder({ 'chatml.jinja': CHATML })
      const extend = (options) => extendVocabulary({ model: stories, threads: 1, ...options })
      const data = { path: german, split: 'line' }
      const { out: target } = await extend({ data, tokens: 100, out: join(root, 'target') })
      const { out: chat } = await extend({
        specialTokens: ['<|im_start|>', '<|im_end|>'],
        chatTemplate: join(root, 'chatml.jinja'),
        out: join(root, 'chat'),
      })
      const report = await graft({ target, base: stories, chat, out: join(root, 'out') })
      const { rows } = report.vocabulary.vectors[0]
      assert.deepEqual([rows.matched, rows.kept.target_only, rows.added], [512, 100, 2])
      assert.deepEqual(report.vocabulary.added_tokens, { '<|im_start|>': 612, '<|im_end|>': 613 })
      assert.equal(report.tensors_changed, 1, 'the embedding alone, by its new rows')
      await checkRows({ target, base: stories, chat }, report, 1)
      const text = 'Once upon a time, there was a little girl named Lily. She loved to play outside.'
      const losses = []
      for (const folder of [target, report.out]) {
        const model = await loadModel(folder, { threads: 1 })
        losses.push((await model.score(text)).nll)
        await model.dispose()
      }
      // Two more logits share the probability.
      assert.ok(Math.abs(losses[0] - losses[1]) < 0.05 * losses[0], losses.join(' and '))
    },
  )
})

/** Writes the models of a case and grafts them. `arrange` may give them other roles. */
async function grafted(name, options = {}, arrange = (models) => models) {
  const root = temporaryFolder()
  const models = arrange(await writeCase(name, root))
  return { models, report: await graft({ ...models, scale: SCALE, out: join(root, 'out'), ...options }) }
}

/** Every row of every tensor of a result, against what its definition says. */
async function checkRows(models, report, scale = SCALE) {
  const rows = await expectedRows(models, report)
  const [got, t, b, c] = [report.out, models.target, models.base, models.chat].map(arraysOf)
  assert.deepEqual(Object.keys(got).sort(), Object.keys(t).sort())
  const round = json(models.target, 'config.json').torch_dtype === 'bfloat16' ? bfloat16 : Math.fround
  for (const tensor of Object.keys(t)) {
    const width = t[tensor].data.length / t[tensor].shape[0]
    const places = ROWS.includes(tensor) ? rows : t[tensor].data.slice(0, t[tensor].shape[0]).map((_, i) => i)
    assert.equal(got[tensor].shape[0], places.length, tensor)
    const rowOf = (arrays, row) => [...arrays[tensor].data.subarray(row * width, (row + 1) * width)]
    for (const [row, place] of Array.from(places).entries()) {
      const { target, base, chat } = typeof place === 'object' ? place : { target: row, base: row, chat: row }
      const expected = () => {
        if (target < 0) return rowOf(c, chat)
        const own = rowOf(t, target)
        if (base < 0 || chat < 0) return own
        const [minus, plus] = [rowOf(b, base), rowOf(c, chat)]
        return own.map((x, i) => round(x + Math.fround(scale) * Math.fround(plus[i] - minus[i])))
      }
      assert.deepEqual(rowOf(got, row), expected(), `${tensor}, row ${row} of ${JSON.stringify(place)}`)
    }
  }
}

/** To the nearest of the numbers whose last 16 bits are zero, to the even one of two. */
function bfloat16(value) {
  const [bits] = new Uint32Array(new Float32Array([value]).buffer)
  const even = (bits >>> 16) & 1
  return new Float32Array(new Uint32Array([((bits + 0x7fff + even) >>> 16) << 16]).buffer)[0]
}

/** Of each row of the result, the rows that it is made of: from what tokens mean, as this test alone reads them. */
async function expectedRows(models, { out, vocabulary }) {
  const read = async (folder) =>
    meaningsOf(await Tokenizer.load(folder), readFileSync(join(folder, 'tokenizer.json'), 'utf8'))
  const [result, ...others] = await Promise.all([out, models.target, models.base, models.chat].map(read))
  const [t, b, c] = others.map((list) => new Map(list.map(({ meaning, id }) => [meaning, id])))
  const count = json(out, 'config.json').vocab_size
  const rows = Array.from({ length: count }, (_, row) => ({ target: row, base: -1, chat: -1 }))
  for (const { meaning, id } of result) {
    const [target, base, chat] = [t, b, c].map((ids) => ids.get(meaning) ?? -1)
    rows[id] = { target, base, chat }
  }
  const { matched, kept, added } = vocabulary.vectors[0].rows
  const fates = { matched: 0, kept: 0, added: 0 }
  for (const { target, base, chat } of rows)
    fates[target < 0 ? 'added' : base < 0 || chat < 0 ? 'kept' : 'matched']++
  const sum = Object.values(kept).reduce((a, b) => a + b, 0)
  assert.deepEqual(fates, { matched, kept: sum, added })
  return rows
}
