// From texts to requests with a tokenizer that adds BOS; one without is compared in test/golden.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import fc from 'fast-check'
import { openTokenizerFolder } from '#lib/checkpoint/model_folder'
import { RequestEncoder, rollingWindows } from '#lib/verbs/evaluating/encode'
import { tokenId, writeTokenizer } from '#lib/world/tokenizer'
import { temporaryFolder } from '../../helpers/folders.mjs'

describe('requests', () => {
  const folder = join(temporaryFolder(), 'tokenizer')
  const BOS = tokenId('<bos>')
  before(async () => {
    const { mkdirSync } = await import('node:fs')
    mkdirSync(folder)
    await writeTokenizer(folder, { endOfTurn: true })
  })
  const encoder = async (options) =>
    RequestEncoder.open(await openTokenizerFolder(folder), { maxLength: 64, ...options })
  const pair = async (context, continuation, options) => {
    const [{ ids, firstTarget }] = await (await encoder(options)).pairs([{ context, continuation }])
    return { ids: [...ids], firstTarget }
  }
  const the = tokenId('the')

  test('BOS comes first and once, whether the text has it or not', async () => {
    const expected = { ids: [BOS, the, the], firstTarget: 2 }
    assert.deepEqual(await pair('the', ' the'), expected)
    assert.deepEqual(await pair('<bos>the', ' the'), expected)
    assert.deepEqual(await pair('the', ' the', { addBosToken: true }), expected)
    assert.deepEqual(await pair('the', ' the', { addBosToken: false }), { ids: [the, the], firstTarget: 1 })
    assert.deepEqual(await pair('<bos>the', ' the', { addBosToken: true }), expected)
  })

  test('without a context, BOS is one; where the answer begins with it, it is its own', async () => {
    assert.deepEqual(await pair('', 'the the'), { ids: [BOS, the, the], firstTarget: 1 })
    assert.deepEqual(await pair('', '<bos>the'), { ids: [BOS, the], firstTarget: 1 })
    assert.deepEqual(await pair(' \n', 'the'), { ids: [BOS, the], firstTarget: 1 })
  })

  test('an answer that adds nothing, or more than the model reads, is refused with its text', async () => {
    const refused = (continuation, options, message) =>
      assert.rejects(pair('the', continuation, options), { code: 'ERR_DATA', message })
    await refused('', {}, /answer of 1 to 64 tokens behind it, received 2 and 0 tokens for ""/)
    await refused(
      ' the'.repeat(5),
      { maxLength: 4 },
      /of 1 to 4 tokens behind it, received 2 and 5 tokens for " the the/,
    )
    assert.deepEqual(await pair('the', ' the'.repeat(4), { maxLength: 4 }), {
      ids: [the, the, the, the, the],
      firstTarget: 1,
    })
  })

  test('a tokenizer without BOS and EOS says what is missing where a text begins with one', async () => {
    const file = join(folder, 'tokenizer_config.json')
    const kept = readFileSync(file, 'utf8')
    writeFileSync(file, JSON.stringify({ ...JSON.parse(kept), bos_token: null, eos_token: null }))
    try {
      assert.deepEqual(await pair('the', ' the'), { ids: [BOS, the, the], firstTarget: 2 })
      await assert.rejects(pair('', 'the'), {
        code: 'ERR_TOKENIZER',
        message: /bos_token or eos_token/,
        hint: /name it/,
      })
    } finally {
      writeFileSync(file, kept)
    }
  })
})

test('windows foretell every token once, none reads more than there is room for, and all but the first are full', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 50 }), (length, room) => {
      const ids = Int32Array.from({ length }, (_, i) => i + 1)
      const windows = rollingWindows(ids, 0, room)
      const foretold = windows.flatMap((window) => [...window.ids.slice(window.firstTarget)])
      assert.deepEqual(foretold, [...ids])
      for (const [i, window] of windows.entries()) {
        assert.ok(window.firstTarget >= 1)
        assert.ok(window.ids.length - 1 <= room)
        if (i > 0) assert.equal(window.ids.length - 1, room)
        const begin = window.ids[0]
        assert.deepEqual(
          [...window.ids],
          [...window.ids].map((_, j) => begin + j),
        )
      }
    }),
  )
})
