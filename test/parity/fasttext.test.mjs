// Models that fastText trains here, read by us: labels and probabilities of all texts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertSameLabels, labelsOf } from '../helpers/fasttext.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { fastTextReference } from '../helpers/reference.mjs'

const FEW = { labels: 8, each_words: 30, lines: 600, seed: 1 }
const MANY = { labels: 300, each_words: 12, lines: 3000, seed: 2 }
const TRAIN = { dim: 11, epoch: 6, lr: 0.2 }
const GRAMS = { minn: 2, maxn: 4, bucket: 5000 }

const CASES = [
  { name: 'softmax', lines: FEW, train: TRAIN },
  { name: 'softmax_grams', lines: FEW, train: { ...TRAIN, ...GRAMS, wordNgrams: 3 } },
  { name: 'tree', lines: MANY, train: { ...TRAIN, loss: 'hs', ...GRAMS } },
  { name: 'one_against_all', lines: FEW, train: { ...TRAIN, loss: 'ova', minn: 1, maxn: 2, bucket: 300 } },
  { name: 'negative_sampling', lines: FEW, train: { ...TRAIN, loss: 'ns', wordNgrams: 2, bucket: 300 } },
  {
    name: 'quantized',
    lines: MANY,
    train: { ...TRAIN, ...GRAMS },
    quantize: { dsub: 2 },
  },
  {
    name: 'quantized_norms_output',
    lines: MANY,
    train: { ...TRAIN, ...GRAMS, wordNgrams: 2 },
    quantize: { dsub: 3, qnorm: true, qout: true },
  },
  {
    name: 'pruned_tree',
    lines: MANY,
    train: { ...TRAIN, loss: 'hs', ...GRAMS },
    quantize: { dsub: 2, qnorm: true, cutoff: 900 },
  },
  {
    name: 'pruned_words',
    lines: MANY,
    train: { ...TRAIN, loss: 'hs' },
    quantize: { dsub: 4, cutoff: 400, qout: true },
  },
]

describe('labels and probabilities are those of fastText', async () => {
  const found = fastTextReference({ folder: temporaryFolder(), cases: CASES })
  for (const [i, { name }] of CASES.entries())
    test(name, async (t) => {
      const { path, texts, answers } = (await found)[i]
      const told = answers.flat().length
      assert.ok(texts.length > 90 && told > 90)
      const largest = assertSameLabels(await labelsOf(path, texts), answers, texts)
      t.diagnostic(
        `${texts.length} texts, ${told} probabilities, largest difference ${largest.toExponential(1)}`,
      )
    })
})
