import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { phonesOf, readLexicon } from '#lib/text/lexicon'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const written = (text) => readLexicon(join(temporaryFolder({ 'a.dict': text }), 'a.dict'))

test('words are spelled by their first line, one after the other; comments are passed over', async () => {
  const lexicon = await written(
    ';;; a comment\nzero Z IH R OW\nzero(2) Z IY R OW\n\n one\tW AH N\r\none W AA N\n',
  )
  assert.deepEqual(phonesOf(['one', 'zero'], lexicon), ['W', 'AH', 'N', 'Z', 'IH', 'R', 'OW'])
  assert.deepEqual(phonesOf(['Zero'], lexicon), ['Z', 'IH', 'R', 'OW'])
  assert.deepEqual(phonesOf([], lexicon), [])
})

test('a word that is not there is named', async () => {
  assert.deepEqual(phonesOf(['one', 'two'], await written('one W AH N\n')), { missing: 'two' })
})

test('a word without phones is refused with its line', async () => {
  await assert.rejects(written('one W AH N\ntwo\n'), {
    code: 'ERR_DATA',
    message: /a\.dict:2: expected a word and its phones, received two alone/,
    hint: /seven S EH V AH N/,
  })
})

dataTest('cmudict spells the digits', 'lexicon/cmudict_en_us.dict', async (_, file) => {
  const lexicon = await readLexicon(file)
  assert.equal(phonesOf(['seven', 'zero'], lexicon).join(' '), 'S EH V AH N Z IH R OW')
  assert.ok(lexicon.size > 134_000)
})
