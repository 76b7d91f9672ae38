// A model with more tokens: what its files hold, what it computes, and what is refused.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { extendVocabulary, inspect, loadModel } from 'tongueforge'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { Tokenizer } from '#lib/text/tokenizer'
import { writeBpeModel } from '../helpers/bpe_model.mjs'
import { byteLevelOn, sentencePieceOn } from '../helpers/bpe_tokenizers.mjs'
import { cli } from '../helpers/cli.mjs'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const OLD = 'the cat sat on the mat and the rat sat on the cat'
const NEW = Array.from(
  { length: 120 },
  (_, i) =>
    ['der Hund läuft schnell', 'die Katze schläft', 'das Haus ist groß', '猫は寝る。'][i % 4] +
    ' '.repeat(i % 3) +
    (i % 7),
).join('\n\n')
const TEMPLATE =
  "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|stop|>' }}{% endfor %}"

const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const rowsOf = (text, name) => text.tensors.find((tensor) => tensor.name === name)?.shape[0]

async function logitsOf(folder, ids) {
  const model = await loadModel(folder, { threads: 1 })
  const { data, shape } = await model.logits([ids])
  await model.dispose()
  return { data: Array.from(data), vocabulary: shape.at(-1) }
}

describe('vocab extend', () => {
  const root = temporaryFolder({ 'new.txt': NEW, 'chat.jinja': TEMPLATE, 'no_template.txt': '{% for %}' })
  const data = join(root, 'new.txt')
  const model = join(root, 'model')
  let made = 0
  const options = (changes) => ({
    model,
    data,
    tokens: 40,
    minCount: 2,
    threads: 1,
    out: join(root, `out-${made++}`),
    ...changes,
  })
  const extend = (changes, callbacks) => extendVocabulary(options(changes), callbacks)

  before(async () => {
    await writeBpeModel(model, await byteLevelOn(OLD, 15))
    await writeBpeModel(join(root, 'tied'), await sentencePieceOn(OLD, 15), {
      tied: true,
      dtype: 'bfloat16',
      shard: 20000,
    })
    writeFileSync(join(model, 'merges.txt'), 'of the old vocabulary')
    writeFileSync(join(model, 'chat_template.json'), JSON.stringify({ chat_template: 'old' }))
    await writeBpeModel(join(root, 'spare'), await byteLevelOn(OLD, 15), { spare: 24 })
  })

  for (const name of ['model', 'tied', 'spare']) {
    test(`${name}: what the model thinks of old text changes by the new rows alone`, async () => {
      const folder = join(root, name)
      const report = await extend({ model: folder })
      const ids = [...(await (await Tokenizer.load(folder)).encode('the cat sat'))]
      const [was, is] = [await logitsOf(folder, ids), await logitsOf(report.out, ids)]
      assert.equal(is.vocabulary, report.rows.after)
      const largest = Math.max(...was.data.map(Math.abs))
      const { before: first } = report.tokens
      for (let t = 0; t < ids.length; t++)
        for (let id = 0; id < first; id++) {
          const [a, b] = [was.data[t * was.vocabulary + id], is.data[t * is.vocabulary + id]]
          assert.ok(Math.abs(a - b) <= 1e-5 * largest, `position ${t}, token ${id}: ${a} and ${b}`)
        }
    })
  }

  test('a new token’s logit is the mean of the logits of its pieces: it begins where they were', async () => {
    const { out, tokens } = await extend()
    const [old, now] = await Promise.all([model, out].map((folder) => Tokenizer.load(folder)))
    const bare = Tokenizer.fromJson(
      new BpeFile(readFileSync(join(model, 'tokenizer.json'), 'utf8')).bareModel(),
    )
    const { data: logits, vocabulary } = await logitsOf(out, [...(await old.encode('the mat'))])
    const last = logits.slice(-vocabulary)
    for (let id = tokens.before; id < tokens.after; id++) {
      const pieces = [...(await bare.encode(now.idToToken(id)))]
      const mean = pieces.reduce((sum, piece) => sum + last[piece], 0) / pieces.length
      assert.ok(Math.abs(last[id] - mean) <= 1e-4, `${now.idToToken(id)}: ${last[id]}, mean ${mean}`)
    }
  })

  test('a tied model stays tied, in its shards and its dtype', async () => {
    const folder = join(root, 'tied')
    const { out, tensors_extended, rows, tokens } = await extend({ model: folder })
    assert.equal(tensors_extended, 1)
    const [was, is] = [await inspect(folder), await inspect(out)]
    assert.equal(is.dtype, was.dtype)
    assert.equal(rowsOf(is, 'model.embed_tokens.weight'), rows.after)
    assert.equal(rowsOf(is, 'lm_head.weight'), undefined)
    const shards = (path) =>
      readdirSync(path)
        .filter((file) => file.endsWith('.safetensors'))
        .sort()
    assert.deepEqual(shards(out), shards(folder))
    assert.ok(shards(out).length > 1)
    const [before, after] = [folder, out].map((path) => json(path, 'model.safetensors.index.json'))
    assert.deepEqual(after.weight_map, before.weight_map)
    assert.equal(
      after.metadata.total_size,
      before.metadata.total_size + 2 * 32 * (tokens.after - tokens.before),
    )
  })

  test('rows to spare are used first; the embedding grows only beyond them', async () => {
    const few = await extend({ model: join(root, 'spare'), tokens: 10 })
    assert.deepEqual(few.rows, { before: few.rows.before, after: few.rows.before })
    assert.equal(few.tokens.after, few.tokens.before + 10)
    const many = await extend({ model: join(root, 'spare'), tokens: 40 })
    assert.equal(many.rows.after, many.tokens.after)
  })

  test('rows up to a multiple have no token and are never the likeliest', async () => {
    const { out, rows, tokens } = await extend({ padToMultipleOf: 64 })
    assert.equal(rows.after % 64, 0)
    assert.ok(rows.after > tokens.after)
    assert.equal(json(out, 'config.json').vocab_size, rows.after)
    const { data: logits, vocabulary } = await logitsOf(out, [5, 9, 12, 30, 2, 8])
    for (let t = 0; t < 6; t++) {
      const row = logits.slice(t * vocabulary, (t + 1) * vocabulary)
      assert.ok(row.indexOf(Math.max(...row)) < tokens.after)
    }
  })

  test('chat tags, template and end of turn make a base model ready for chat', async () => {
    const tags = ['<|user|>', '<|assistant|>', '<|stop|>']
    const report = await extend({
      data: undefined,
      tokens: undefined,
      specialTokens: tags,
      chatTemplate: join(root, 'chat.jinja'),
      eosToken: '<|stop|>',
    })
    const { out, tokens, special_tokens, stop_ids } = report
    const ids = Object.fromEntries(tags.map((tag, i) => [tag, tokens.before + i]))
    assert.deepEqual(special_tokens, ids)
    assert.deepEqual(stop_ids, [0, ids['<|stop|>']])
    assert.deepEqual(json(out, 'generation_config.json').eos_token_id, stop_ids)
    assert.deepEqual(json(out, 'config.json').eos_token_id, stop_ids)
    const settings = json(out, 'tokenizer_config.json')
    assert.equal(settings.eos_token, '<|stop|>')
    assert.deepEqual(settings.additional_special_tokens, ['<|tag|>', ...tags])
    assert.equal(readFileSync(join(out, 'chat_template.jinja'), 'utf8'), TEMPLATE)
    assert.ok(!existsSync(join(out, 'chat_template.json')))
    const loaded = await loadModel(out)
    assert.deepEqual(await loaded.stopIds(), stop_ids)
    await loaded.dispose()
    const tokenizer = await Tokenizer.load(out)
    const chat = [...(await tokenizer.encode('<|user|>the cat<|stop|>', { addSpecialTokens: false }))]
    assert.equal(chat[0], ids['<|user|>'])
    assert.equal(chat.at(-1), ids['<|stop|>'])
    assert.equal(await tokenizer.decode(chat), 'the cat')
  })

  test('the report tells what became shorter, and the result where it comes from', async () => {
    const { out, left_out, corpus, held_out, texts_checked, learnt_tokens, examples, ...report } =
      await extend()
    assert.equal(learnt_tokens, 40)
    assert.equal(report.unreachable, 0)
    assert.equal(corpus.texts, 118)
    assert.equal(held_out.texts, 2)
    assert.equal(texts_checked, 2)
    for (const figures of [corpus, held_out]) {
      const { before, after } = figures.tokens_per_character
      assert.ok(after < 0.7 * before, `${before} to ${after}`)
      assert.equal(after, figures.tokens.after / figures.characters)
      assert.ok(figures.share_of_new_tokens > 0.2)
    }
    assert.equal(examples.length, 20)
    assert.ok(examples.every((text) => text !== '' && !text.includes('\ufffd')))
    assert.deepEqual(left_out, ['merges.txt'])
    assert.ok(!existsSync(join(out, 'merges.txt')))
    const { provenance } = await inspect(out)
    assert.deepEqual(
      provenance.inputs.map(({ role }) => role),
      ['model', 'data'],
    )
    assert.deepEqual(json(out, 'report.json').tokens, report.tokens)
    assert.match(readFileSync(join(out, 'resolved.yaml'), 'utf8'), /verb: vocab extend[\s\S]*tokens: 40/)
  })

  test('the same options give the same tokenizer and weights, also by the command', async () => {
    const { out } = await extend()
    const again = join(root, 'command')
    const flags = ['--model', model, '--data', data, '--tokens', '40', '--min-count', '2']
    const {
      code,
      out: said,
      err,
    } = await cli(['vocab', 'extend', ...flags, '--out', again, '--threads', '2', '--json'])
    assert.equal(code, 0, err)
    assert.equal(JSON.parse(said).learnt_tokens, 40)
    for (const name of ['tokenizer.json', 'model.safetensors', 'config.json'])
      assert.ok(readFileSync(join(again, name)).equals(readFileSync(join(out, name))), name)
  })

  test('a dry run learns and measures, and writes nothing', async () => {
    const names = readdirSync(root)
    const report = await extend({ dryRun: true })
    assert.equal(report.dry_run, true)
    assert.equal(report.learnt_tokens, 40)
    const grown = report.bytes_to_write - (await inspect(model)).bytes
    assert.ok(grown >= 2 * 40 * 4 * 32, `${grown} bytes for 40 rows of embedding and head`)
    assert.deepEqual(readdirSync(root), names)
  })

  test('progress has a total where there is one, and never goes beyond it', async () => {
    for (const until of [{ tokens: 40 }, { tokens: undefined, coverage: 0.3, dryRun: true }]) {
      const told = []
      await extend(until, { onProgress: (progress) => told.push(progress) })
      for (const { stage, done, total } of told) {
        const known = stage === 'write' || (stage === 'learn' && until.tokens !== undefined)
        assert.equal(total !== undefined, known, stage)
        assert.ok(done <= (total ?? done), `${stage}: ${done} of ${total}`)
      }
      assert.ok(told.some(({ stage }) => stage === 'learn'))
    }
  })

  test('stopped at any stage, it leaves nothing behind and says why', async () => {
    for (const stage of ['count', 'learn', 'write']) {
      const names = readdirSync(root)
      const stop = new AbortController()
      const reason = new Error('enough')
      const onProgress = (progress) => progress.stage === stage && stop.abort(reason)
      const run = extend(stage === 'learn' ? { tokens: 400 } : {}, { signal: stop.signal, onProgress })
      await assert.rejects(run, (error) => error === reason, stage)
      assert.deepEqual(readdirSync(root), names, stage)
    }
  })

  const refused = (name, code, message, hint, changes) =>
    test(`refused: ${name}`, async () => {
      const names = readdirSync(root)
      const error = await extend(await changes()).then(
        () => assert.fail('expected an error'),
        (thrown) => thrown,
      )
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      assert.deepEqual(
        readdirSync(root).filter((made) => !names.includes(made) && made !== 'other'),
        [],
      )
    })

  const other = async (change) => {
    const folder = join(root, 'other')
    cpSync(model, folder, { recursive: true })
    const file = join(folder, 'tokenizer.json')
    const content = json(file)
    change(content)
    writeFileSync(file, JSON.stringify(content))
    return folder
  }
  refused(
    'a Unigram tokenizer',
    'ERR_TOKENIZER',
    /model.type: expected BPE, received Unigram/,
    /Unigram/,
    async () => ({
      model: await other((content) => {
        content.model = {
          type: 'Unigram',
          unk_id: 0,
          vocab: [
            ['<unk>', 0],
            ['a', -1],
          ],
        }
        content.post_processor = null
        content.added_tokens = []
      }),
    }),
  )
  refused(
    'a tokenizer with more tokens than rows',
    'ERR_VOCABULARY',
    /expected a row for each/,
    /one model/,
    async () => ({
      model: await other((content) => {
        content.model.vocab.zz = 5000
      }),
    }),
  )
  refused('a folder that is no model', 'ERR_NOT_FOUND', /expected/, /./, () => ({
    model: join(root, 'nothing'),
  }))
  refused(
    'a special token that is there',
    'ERR_VOCABULARY',
    /"<\|tag\|>": there already/,
    /Leave them out/,
    () => ({
      specialTokens: ['<|new|>', '<|tag|>'],
    }),
  )
  refused(
    'an end that is no token',
    'ERR_VOCABULARY',
    /eos_token: expected a token/,
    /--special '<\|no\|>'/,
    () => ({
      eosToken: '<|no|>',
    }),
  )
  refused(
    'nothing frequent enough',
    'ERR_VOCABULARY',
    /no pair of tokens that stands 1000000 times/,
    /smaller/,
    () => ({
      minCount: 1e6,
    }),
  )
  refused('data without a number of tokens', 'ERR_USAGE', /how many tokens/, /--tokens/, () => ({
    tokens: undefined,
  }))
  refused('tokens without data', 'ERR_USAGE', /data to learn/, /--data/, () => ({ data: undefined }))
  refused('neither data nor tokens', 'ERR_USAGE', /tokens to add/, /--special/, () => ({
    data: undefined,
    tokens: undefined,
  }))
  refused(
    'a number of tokens below 1',
    'ERR_CONFIG',
    /tokens: expected a whole number from 1, received 0/,
    /^$/,
    () => ({ tokens: 0 }),
  )
  refused('a template that is none', 'ERR_TEMPLATE', /no_template.txt/, /./, () => ({
    chatTemplate: join(root, 'no_template.txt'),
  }))
  refused('an output that exists', 'ERR_EXISTS', /tied/, /overwrite/i, () => ({ out: join(root, 'tied') }))

  test('an option of the other action is refused by name', async () => {
    const { code, err } = await cli(['vocab', 'extend', '--out', 'x', '--size', '9', '--model', model])
    assert.equal(code, 2)
    assert.match(err, /--size: not an option of vocab extend, but of vocab train/)
    const missing = await cli(['vocab', 'extend', '--out', 'x', '--tokens', '9'])
    assert.match(missing.err, /expected --model/)
  })
})

// Measured: 0.72 to 0.36 tokens per character in German, 3.01 to 1.12 in Japanese, with 400 tokens.
const REAL = [
  ['a language of the same script', 'corpus/genesis_german.txt', 0.55],
  ['a language of a new script', 'corpus/ja_wagahai.txt', 0.42],
]
for (const [name, corpus, share] of REAL)
  dataTest(
    `stories260K for ${name}: held-out text is much shorter`,
    ['models/stories260K_hf', corpus],
    async (_t, [model, path]) => {
      const root = temporaryFolder()
      const data = { path, split: 'line' }
      const report = await extendVocabulary({
        model,
        data,
        tokens: 400,
        minCount: 5,
        out: join(root, 'out'),
        threads: 1,
      })
      const { before, after } = report.held_out.tokens_per_character
      assert.ok(after < share * before, `${before} to ${after}`)
      assert.equal(report.learnt_tokens, 400)
      const extended = await loadModel(report.out, { threads: 1 })
      assert.ok((await extended.logits([[1, 600, 700]])).data.every(Number.isFinite))
      await extended.dispose()
    },
  )
