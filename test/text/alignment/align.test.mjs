// The vocabularies of whole model folders brought together: what is recognised, what is added, what is refused.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { alignVocabularies } from '#lib/text/alignment/align'
import { mannersOf } from '#lib/text/alignment/manners'
import { Tokenizer } from '#lib/text/tokenizer'
import { dataTest } from '../../helpers/data.mjs'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { tokenizerWith } from '../../helpers/vocabularies.mjs'

const WORDS = { the: 0, Ġcat: 1, Ġsat: 2, Ġon: 3 }
const PIECES = { '<0x0A>': 3, the: 4, '▁sat': 5, '▁cat': 6 }
const CHATML = "{% for m in messages %}{{ '<|im_start|>' + m.role + m.content + '<|im_end|>' }}{% endfor %}"
const bytes = (added = {}) => tokenizerWith('byte_level', WORDS, added)

describe('alignVocabularies', () => {
  /** A model folder without weights. */
  async function model(rows, tokenizer, files = {}) {
    const folder = temporaryFolder({
      'config.json': {},
      ...(tokenizer && { 'tokenizer.json': tokenizer }),
      ...files,
    })
    return { folder: await openModelFolder(folder), rows }
  }
  const align = (target, base, chat) => alignVocabularies(target, [{ base, chat }])
  const sums = ({ report }) => report.vectors[0].rows

  test('equal tokenizers over equal rows are recognised: no table, padding rows grafted as any other', async () => {
    const models = [await model(6, bytes()), await model(6, bytes()), await model(6, `${bytes()}\n`)]
    const { num_rows, rows, vectors, special, report, resultId } = await align(...models)
    assert.deepEqual(
      { num_rows, rows, vectors, special },
      { num_rows: 6, rows: undefined, vectors: [{}], special: [] },
    )
    assert.equal(report.identical, true)
    assert.equal(report.vectors[0].rows.matched, 6)
    assert.equal(resultId(5), 5)
  })

  test('equal tokenizers over unequal rows: padding rows match nothing', async () => {
    const alignment = await align(await model(6, bytes()), await model(4, bytes()), await model(9, bytes()))
    assert.deepEqual([...alignment.vectors[0].base_rows], [0, 1, 2, 3, -1, -1])
    assert.deepEqual([...alignment.vectors[0].chat_rows], [0, 1, 2, 3, -1, -1])
    assert.equal(alignment.rows, undefined)
    const { matched, kept } = sums(alignment)
    assert.deepEqual([matched, kept.padding], [4, 2])
  })

  test('permuted ids, a longer target, a SentencePiece base: rows of the same text', async () => {
    const target = await model(
      6,
      tokenizerWith('byte_level', { Ġsat: 0, the: 1, Ġon: 2, Ġcat: 3, Ċ: 4, neu: 5 }),
    )
    const base = await model(9, tokenizerWith('sentence_piece', PIECES, { '<unk>': 0, '<s>': 1, '</s>': 2 }))
    const chat = await model(4, bytes())
    const alignment = await align(target, base, chat)
    assert.deepEqual([...alignment.vectors[0].base_rows], [5, 4, -1, 6, 3, -1])
    assert.deepEqual([...alignment.vectors[0].chat_rows], [2, 0, 3, 1, -1, -1])
    const { rows, examples, unused } = alignment.report.vectors[0]
    assert.deepEqual(rows, {
      matched: 3,
      kept: { target_only: 1, not_in_base: 1, not_in_chat: 1, padding: 0 },
      added: 0,
    })
    assert.deepEqual(examples, {
      matched: [' sat', 'the', ' cat'],
      not_in_base: [' on'],
      not_in_chat: ['\n'],
      target_only: ['neu'],
    })
    assert.deepEqual(unused, { base: 3, chat: 0 })
  })

  test('control tokens that the target lacks come from the chat model, first into padding rows, then into new ones', async () => {
    const tags = {
      '<|im_start|>': 4,
      '<|reserved|>': 5,
      '<|im_end|>': { id: 6, lstrip: true, normalized: true },
    }
    const chat = await model(7, bytes(tags), {
      'chat_template.jinja': CHATML,
      'tokenizer_config.json': { eos_token: '<|im_end|>' },
      'generation_config.json': {
        eos_token_id: [6, 2],
        pad_token_id: 4,
        suppress_tokens: [5],
        temperature: 0.5,
      },
    })
    for (const [rows, num_rows] of [
      [4, 6],
      [5, 6],
      [8, 8],
    ]) {
      const alignment = await align(await model(rows, bytes()), await model(4, bytes()), chat)
      assert.equal(alignment.num_rows, num_rows)
      const padding = Array(num_rows - 6).fill(-1)
      assert.deepEqual([...alignment.rows.from_chat], [-1, -1, -1, -1, 4, 6, ...padding])
      assert.deepEqual([...alignment.rows.target].slice(0, 6), [0, 1, 2, 3, -1, -1])
      assert.deepEqual(alignment.report.added_tokens, { '<|im_start|>': 4, '<|im_end|>': 5 })
      assert.deepEqual(alignment.report.not_added, { count: 1, examples: ['<|reserved|>'] })
      const tokenizer = Tokenizer.fromJson(alignment.tokenizerJson)
      assert.equal(tokenizer.tokenToId('<|im_end|>'), 5)
      const entry = JSON.parse(alignment.tokenizerJson).added_tokens.at(-1)
      assert.deepEqual([entry.lstrip, entry.normalized, entry.special], [true, false, true])
      const manners = await mannersOf(chat.folder, alignment)
      assert.deepEqual(manners.stopIds, [2, 5])
      assert.deepEqual(manners.specialTokens, { eos_token: '<|im_end|>' })
      assert.deepEqual(manners.generation, { eos_token_id: [5, 2], pad_token_id: 4, temperature: 0.5 })
      assert.deepEqual(manners.lost, ['suppress_tokens [5]'])
    }
  })

  test('a tag that a template puts together from a role is seen in what it writes', async () => {
    const built = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}"
    const tags = { '<|user|>': 4, '<|assistant|>': 5, '<|tool|>': 6 }
    const chat = await model(7, bytes(tags), { 'chat_template.jinja': built })
    const { report } = await align(await model(4, bytes()), await model(4, bytes()), chat)
    assert.deepEqual(report.added_tokens, { '<|user|>': 4, '<|assistant|>': 5 })
    assert.deepEqual(report.not_added.examples, ['<|tool|>'])
  })

  test('a token that is special to nobody is left out, unless it ends a text', async () => {
    const tags = { '<think>': { id: 4, special: false }, '<end>': { id: 5, special: false } }
    const chat = await model(6, bytes(tags), {
      'chat_template.jinja': "{{ '<think>' + messages[0].content }}",
      'generation_config.json': { eos_token_id: 5 },
    })
    const { report, special } = await align(await model(4, bytes()), await model(4, bytes()), chat)
    assert.deepEqual(report.added_tokens, { '<end>': 4 })
    assert.equal(special[0].flags.special, false)
    assert.deepEqual(report.not_added.examples, ['<think>'])
  })

  test('an ordinary token of the target that is written like a control token becomes it', async () => {
    const words = { ...WORDS, '<|im_end|>': 4 }
    const chat = await model(5, bytes({ '<|im_end|>': 4 }), { 'generation_config.json': { eos_token_id: 4 } })
    const alignment = await align(await model(5, tokenizerWith('byte_level', words)), chat, chat)
    assert.deepEqual([...alignment.rows.from_chat], [-1, -1, -1, -1, 4])
    const added = JSON.parse(alignment.tokenizerJson).added_tokens
    assert.deepEqual(
      added.map(({ id, content }) => [id, content]),
      [[4, '<|im_end|>']],
    )
  })

  test('a token that the target has without a row gets the chat model’s; one that nobody has a row for is refused', async () => {
    const tags = { '<|im_end|>': 4 }
    const files = { 'generation_config.json': { eos_token_id: 4 } }
    const chat = await model(5, bytes(tags), files)
    const alignment = await align(await model(4, bytes(tags)), await model(4, bytes()), chat)
    assert.deepEqual([...alignment.rows.from_chat], [-1, -1, -1, -1, 4])
    assert.equal(alignment.tokenizerJson, undefined)
    assert.deepEqual(alignment.report.added_tokens, { '<|im_end|>': 4 })
    const target = await model(4, bytes({ '<pad>': 4 }))
    await assert.rejects(align(target, await model(4, bytes()), chat), ({ code, message, hint }) => {
      assert.equal(code, 'ERR_VOCABULARY')
      assert.match(message, /expected a row for "<pad>" \(id 4\), which neither the target \(4 rows\) nor/)
      assert.match(hint, /Give the target a row/)
      return true
    })
  })

  for (const kind of ['byte_level', 'sentence_piece', 'unigram', 'word_level', 'word_piece'])
    test(`${kind}: the target's tokenizer.json gets the tokens, and every old one keeps its id`, async () => {
      const json = tokenizerWith(kind, { a: 1, b: 2, 7: 3, ['__proto__']: 4 }, { '<unk>': 0 })
      const tags = { '<|im_start|>': 5, '<|im_end|>': 6 }
      const chat = await model(
        7,
        tokenizerWith(kind, { a: 1, b: 2, 7: 3, ['__proto__']: 4 }, { '<unk>': 0, ...tags }),
        {
          'chat_template.jinja': CHATML,
        },
      )
      const { tokenizerJson } = await align(await model(5, json), await model(5, json), chat)
      const [was, is] = [json, tokenizerJson].map((text) => Tokenizer.fromJson(text))
      for (const [token, id] of was.vocabulary()) assert.equal(is.tokenToId(token), id)
      assert.deepEqual([is.tokenToId('<|im_start|>'), is.tokenToId('<|im_end|>'), is.vocabSize], [5, 6, 7])
      const ids = await is.encode('<|im_start|>a<|im_end|>', { addSpecialTokens: false })
      assert.deepEqual([ids[0], ids.at(-1)], [5, 6])
    })

  test('gaps in the target’s ids are kept', async () => {
    const target = await model(9, tokenizerWith('byte_level', { ...WORDS, far: 7 }, { '<s>': 8 }))
    const chat = await model(6, bytes({ '<s>': 4, '<|im_end|>': 5 }), {
      'generation_config.json': { eos_token_id: 5 },
    })
    const { tokenizerJson, num_rows, report } = await align(target, await model(4, bytes()), chat)
    const tokenizer = Tokenizer.fromJson(tokenizerJson)
    assert.deepEqual(
      ['far', '<s>', '<|im_end|>'].map((token) => tokenizer.tokenToId(token)),
      [7, 8, 9],
    )
    assert.equal(num_rows, 10)
    assert.equal(report.vectors[0].rows.kept.padding, 3)
  })

  test('a model without tokenizer.json is taken at its word where the rows are as many, and refused where not', async () => {
    const [target, base] = [await model(4, bytes()), await model(4)]
    const same = await align(target, base, await model(4, bytes()))
    assert.equal(same.report.identical, true)
    assert.deepEqual(same.report.on_trust, [base.folder.path])
    const permuted = tokenizerWith('byte_level', { Ġcat: 0, the: 1, Ġon: 2, Ġsat: 3 })
    const other = await align(target, base, await model(4, permuted))
    assert.deepEqual([...other.vectors[0].base_rows], [0, 1, 2, 3])
    assert.deepEqual([...other.vectors[0].chat_rows], [1, 0, 3, 2])
    const bare = await align(await model(4), base, await model(4, permuted))
    assert.equal(bare.report.identical, true)
    const spaced = await align(await model(4), await model(4, `${permuted}\n`), await model(4, permuted))
    assert.equal(spaced.report.identical, true)
    const chat = await align(target, await model(4, permuted), base)
    assert.deepEqual([...chat.vectors[0].base_rows], [1, 0, 3, 2])
    assert.deepEqual([...chat.vectors[0].chat_rows], [0, 1, 2, 3])
    assert.deepEqual(chat.report.on_trust, [base.folder.path])
    for (const models of [
      [target, await model(5), target],
      [await model(4), await model(5, bytes()), target],
    ])
      await assert.rejects(align(...models), ({ code, message, hint, details }) => {
        assert.equal(code, 'ERR_VOCABULARY')
        assert.match(message, /expected tokenizer\.json, found none: 5 rows .* the target's 4/)
        assert.match(hint, /Copy tokenizer\.json/)
        assert.equal(details.rows, 5)
        return true
      })
  })

  test('a target without tokenizer.json is refused where base and chat model number their tokens otherwise', async () => {
    const permuted = tokenizerWith('byte_level', { Ġcat: 0, the: 1, Ġon: 2, Ġsat: 3 })
    const [target, base, chat] = [await model(4), await model(4, bytes()), await model(4, permuted)]
    await assert.rejects(align(target, base, chat), ({ code, message, details }) => {
      const files = [base, chat].map(({ folder }) => `${folder.path}/tokenizer.json`).join(' and ')
      assert.equal(code, 'ERR_VOCABULARY')
      assert.ok(message.endsWith(`whose tokens its rows are cannot be told, as ${files} differ`), message)
      assert.equal(details.path, target.folder.path)
      return true
    })
  })

  test('models that share no token are refused with the kinds of their tokenizers', async () => {
    const words = await model(2, tokenizerWith('word_level', { the: 0, cat: 1 }))
    const other = await model(4, bytes())
    await assert.rejects(align(words, other, other), ({ code, message, hint }) => {
      assert.equal(code, 'ERR_VOCABULARY')
      assert.match(message, /found none: .*\(words\), .*\(byte_level\), .*\(byte_level\)/)
      assert.match(hint, /Is each tokenizer\.json that of its model/)
      return true
    })
  })

  test('several vectors have a table each; tokens are added from the first chat model alone', async () => {
    const target = await model(4, bytes())
    const ends = (tag) => ({
      'generation_config.json': { eos_token_id: 4 },
      'tokenizer_config.json': { eos_token: tag },
    })
    const [one, two] = [
      await model(5, bytes({ '<a>': 4 }), ends('<a>')),
      await model(5, bytes({ '<b>': 4 }), ends('<b>')),
    ]
    const { vectors, rows, report } = await alignVocabularies(target, [
      { base: target, chat: one },
      { base: target, chat: two },
    ])
    assert.deepEqual(report.added_tokens, { '<a>': 4 })
    assert.deepEqual([...rows.from_chat], [-1, -1, -1, -1, 4])
    assert.deepEqual(
      vectors.map(({ chat_rows }) => [...chat_rows]),
      Array(2).fill([0, 1, 2, 3, -1]),
    )
    assert.deepEqual(
      report.vectors.map(({ unused }) => unused.chat),
      [0, 1],
    )
  })

  dataTest(
    'real tokenizers: stories with ChatML tags of a byte-level chat model',
    ['models/stories260K_hf', 'tokenizers/torchtune_tiny_bpe_tokenizer.json'],
    async (_t, [stories, tiny]) => {
      const target = { folder: await openModelFolder(stories), rows: 512 }
      const base = await model(2048, readFileSync(tiny, 'utf8'))
      const chat = await model(2048, readFileSync(tiny, 'utf8'), { 'chat_template.jinja': CHATML })
      const alignment = await align(target, base, chat)
      assert.deepEqual(alignment.report.added_tokens, { '<|im_start|>': 512, '<|im_end|>': 513 })
      const { matched, kept, added } = sums(alignment)
      assert.equal(matched + kept.target_only + added, 514)
      assert.ok(matched > 200)
      assert.deepEqual(alignment.report.not_added.examples, ['<|endoftext|>'])
      const [was, is] = [await Tokenizer.load(stories), Tokenizer.fromJson(alignment.tokenizerJson)]
      const text = 'Once upon a time, there was a little girl named Lily. 你好\n'
      assert.deepEqual(await is.encode(text), await was.encode(text))
      assert.deepEqual([...(await is.encode('<|im_end|>', { addSpecialTokens: false }))], [513])
    },
  )
})
