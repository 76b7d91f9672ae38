// A model with more tokens in transformers: the same ids, rows that are the mean of the old ones as torch computes it,
// and the same logits.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { extendVocabulary, loadModel } from 'tongueforge'
import { BpeFile } from '#lib/text/bpe/bpe_file'
import { Tokenizer } from '#lib/text/tokenizer'
import { writeBpeModel } from '../helpers/bpe_model.mjs'
import { byteLevelOn, sentencePieceOn } from '../helpers/bpe_tokenizers.mjs'
import { dataTest } from '../helpers/data.mjs'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { reference } from '../helpers/reference.mjs'

const OLD = 'the cat sat on the mat and the rat sat on the cat'
const LINES = [
  'der Hund läuft schnell',
  'die Katze schläft 12',
  'groß ist das Haus',
  '猫は寝る。',
  'the cat 😀 sat',
]
const TEXTS = [...LINES, '', ' ', 'der  Hund\n\tläuft <|stop|> über', '<|stop|>猫', 'Ж é 中', OLD]

const CASES = {
  'byte-level, head of its own': () => [byteLevelOn(OLD, 15), {}],
  'byte-level, bfloat16, in shards': () => [byteLevelOn(OLD, 15), { dtype: 'bfloat16', shard: 20000 }],
  'byte-level, float16, rows to spare': () => [byteLevelOn(OLD, 15), { dtype: 'float16', spare: 24 }],
  'SentencePiece-like, tied': () => [sentencePieceOn(OLD, 15), { tied: true }],
}

describe('models with more tokens, in transformers', () => {
  const root = temporaryFolder({
    'new.txt': Array.from({ length: 150 }, (_, i) => LINES[i % 5]).join('\n\n'),
  })
  for (const [i, [name, make]] of Object.entries(CASES).entries())
    test(name, async () => {
      const [tokenizer, options] = make()
      const model = await writeBpeModel(join(root, `model-${i}`), await tokenizer, options)
      await checkExtended(model, { data: join(root, 'new.txt'), tokens: 50, minCount: 3 }, TEXTS)
    })

  dataTest(
    'stories260K for German',
    ['models/stories260K_hf', 'corpus/genesis_german.txt'],
    async (_t, [model, path]) => {
      const data = { path, split: 'line' }
      await checkExtended(model, { data, tokens: 300 }, readFileSync(path, 'utf8').split('\n').slice(0, 60))
    },
  )

  dataTest(
    'a tokenizer with words taken whole, for Chinese',
    ['tokenizers/torchtune_tokenizer.json', 'corpus/zh_hant_gsd_dev.txt'],
    async (_t, [tokenizer, path]) => {
      const model = await writeBpeModel(join(root, 'chinese'), readFileSync(tokenizer, 'utf8'))
      const data = { path, split: 'line' }
      await checkExtended(
        model,
        { data, tokens: 300, minCount: 3 },
        readFileSync(path, 'utf8').split('\n').slice(0, 60),
      )
    },
  )

  async function checkExtended(model, options, texts) {
    const out = join(root, `out-${Math.random()}`)
    const report = await extendVocabulary({ model, out, specialTokens: ['<|stop|>'], threads: 1, ...options })
    assert.ok(report.learnt_tokens > 10)
    await checkLoads(out, report)
    await checkIds(out, texts)
    await checkRows(model, out, report)
    await checkLogits(out, report)
  }

  async function checkLoads(out, { tokens }) {
    const loaded = await reference(['load', out])
    assert.deepEqual([loaded.missing_keys, loaded.unexpected_keys, loaded.mismatched_keys], [[], [], []])
    assert.equal(loaded.tokenizer.size, tokens.after)
  }

  async function checkIds(out, texts) {
    const expected = await reference(['encode', out, '-'], texts)
    const tokenizer = await Tokenizer.load(out)
    for (const [i, text] of texts.entries()) {
      const ids = await tokenizer.encode(text)
      assert.deepEqual([...ids], expected[i].ids, text)
      assert.equal(await tokenizer.decode(ids), expected[i].text)
    }
  }

  async function checkRows(model, out, { tokens, special_tokens }) {
    const [old, now] = await Promise.all([model, out].map((folder) => Tokenizer.load(folder)))
    const bare = Tokenizer.fromJson(
      new BpeFile(readFileSync(join(model, 'tokenizer.json'), 'utf8')).bareModel(),
    )
    const pieces = []
    for (let id = tokens.before; id < tokens.after; id++) {
      const token = now.idToToken(id)
      const before = token in special_tokens ? old : bare
      pieces.push([...(await before.encode(token, { addSpecialTokens: false }))])
    }
    const wrong = await reference(['new_rows', model, out, '-'], { first: tokens.before, pieces })
    assert.deepEqual(wrong, { 'model.embed_tokens.weight': 0, 'lm_head.weight': 0 })
  }

  async function checkLogits(out, { tokens }) {
    const ids = [[1, tokens.before, 5, tokens.after - 1, tokens.before + 3, 9]]
    const expected = await reference(['logits', out, '-'], ids)
    const ours = await loadModel(out, { threads: 1 })
    const { data } = await ours.logits(ids)
    await ours.dispose()
    assertClose(data, expected.data, 1e-5)
  }
})
