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

test('emoticons are compared with what stands between blanks, as VADER does; pictures stand anywhere', async () => {
  const rows = [
    'd:\t-2.9',
    '8)\t1.9',
    ':3\t2.3',
    ':/\t-1.4',
    ':)\t2',
    ':D\t2.3',
    'j/k\t1.6',
    "( '}{' )\t1.6",
    '😀\t2.5',
  ]
  const weights = await weightsOf(`${rows.join('\n')}\n`)
  const near = (text, x) => assert.ok(Math.abs(weights.score(text) - x / Math.sqrt(x * x + 15)) < 1e-12, text)
  near('The director said: welcome.', 0)
  near('He (born 1978) was a painter.', 0)
  near('The train leaves at 16:30.', 0)
  near('See http://example.org for more.', 0)
  near('all good :)', 2)
  near('all good :).\nyes :D', 2 + 2.3)
  near('so 8) and :3 and :/', 1.9 + 2.3 - 1.4)
  near('(j/k), "j/k"', 1.6 + 1.6)
  near("( '}{' )", 1.6)
  near('fine😀😀', 2.5 + 2.5)
})

test('an apostrophe or hyphen is of a word within it, not at its edges; phrases begin and end where words do', async () => {
  const weights = await weightsOf("idiot\nkill you\ndon't\n'til\na$$ hat\nຄົນບໍ່ດີ\n")
  for (const [text, score] of [
    ["They call him 'idiot'.", 1],
    ['They call him ‘idiot’.', 1],
    ['You idiot--go.', 1],
    ['_idiot_', 1],
    ['他是idiot嗎', 1],
    ['idiot-proof', 0],
    ["idiot's", 0],
    ['“don’t”', 1],
    ['don', 0],
    ["'til now", 1],
    ['I kill  \nyou.', 1],
    ["'kill you'", 1],
    ['A skill your boss needs.', 0],
    ['A skill you need.', 0],
    ["I'd kill you're", 0],
    ['kill your skill; kill you', 1],
    ['an a$$ hat, he is', 1],
    ['gra$$ hat', 0],
    ['ຂ້ອຍຄົນບໍ່ດີຈິງ', 1],
  ])
    assert.equal(weights.score(text), score, text)
})

test('a line without a number behind its tab is refused by its place; so is an empty list', async () => {
  await assert.rejects(weightsOf('good\t1\nbad\tvery\n'), {
    code: 'ERR_DATA',
    message: /words\.txt:2: expected a number behind the tab, received very/,
    hint: /a tab and what it weighs/,
  })
  for (const weight of ['Infinity', '1e999', '0x10', '', '1,5', '--1'])
    await assert.rejects(
      weightsOf(`good\t${weight}\n`),
      { message: /words\.txt:1: expected a number/ },
      weight,
    )
  await weightsOf('a\t+1\nb\t-.5\nc\t2.\nd\t1e-3\n')
  await assert.rejects(weightsOf('# nothing\n'), { code: 'ERR_DATA', message: /expected words, found none/ })
  await assert.rejects(readWeights(join(temporaryFolder(), 'no.txt')), { code: 'ERR_NOT_FOUND' })
})
