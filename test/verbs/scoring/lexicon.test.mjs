// Lists of words as scorers.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readWeights } from '#lib/verbs/scoring/lexicon'
import { temporaryFolder } from '../../helpers/folders.mjs'

async function weightsOf(text) {
  const file = join(temporaryFolder(), 'words.txt')
  writeFileSync(file, text)
  return readWeights(file)
}

test('words without weights: 1 where any of them stands, as a whole word or a phrase', async () => {
  const weights = await weightsOf('# a list\nDamn\nbad apple\n壞人\n\n')
  for (const [text, score] of [
    ['damn, that is', 1],
    ['DAMN', 1],
    ['damned', 0],
    ['a bad apple indeed', 1],
    ['a bad day', 0],
    ['他是壞人嗎', 1],
    ['a list', 0],
    ['', 0],
  ])
    assert.equal(weights.score(text), score, text)
})

test('words with weights: their sum x as x / sqrt(x² + 15); more columns, as VADER has them, do not matter', async () => {
  const weights = await weightsOf('good\t1.9\t0.9\t[1, 2]\nawful\t-2\nnot so\t-1\n')
  const near = (text, x) => assert.ok(Math.abs(weights.score(text) - x / Math.sqrt(x * x + 15)) < 1e-12, text)
  near('Good, good and awful', 1.9 + 1.9 - 2)
  near("It's not so good.", 1.9 - 1)
  near('plain', 0)
})

test('a line without a number behind its tab is refused by its place; so is an empty list', async () => {
  await assert.rejects(weightsOf('good\t1\nbad\tvery\n'), {
    code: 'ERR_DATA',
    message: /words\.txt:2: expected a number behind the tab, received very/,
    hint: /a tab and what it weighs/,
  })
  await assert.rejects(weightsOf('# nothing\n'), { code: 'ERR_DATA', message: /expected words, found none/ })
  await assert.rejects(readWeights(join(temporaryFolder(), 'no.txt')), { code: 'ERR_NOT_FOUND' })
})
