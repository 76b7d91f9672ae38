// The laws of rows that are matched by token, on random vocabularies of every kind: what belongs together is known here,
// since each token is made from what it means.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { controlTokens } from '#lib/text/alignment/control_tokens'
import { alignRows } from '#lib/text/alignment/rows'
import { fateOf, vectorTables } from '#lib/text/alignment/table'
import { Vocabulary } from '#lib/text/alignment/vocabulary'
import { bytesOf, KINDS, tokenizerWith } from '../../helpers/vocabularies.mjs'

const TEXTS = [
  'a',
  'b',
  ' a',
  ' ',
  'é',
  '中',
  ' 中文',
  '\n',
  'the',
  ' the',
  '7',
  '<s>',
  '😀',
  'Ġy',
  '__proto__',
]
const BYTES = ['\x80', '\xa9', '\xe4', '\xff', '\x00']
const PARTS = ['\xe4\xb8', '\xad', ' \xe4']
const TAGS = ['<s>', '<|im_start|>', '<|im_end|>', 'the', ' a', '<pad>']
/** More numbers than a model has tokens. */
const DRAWS = fc.array(fc.nat(1e6), { minLength: 40, maxLength: 40 })
const RUNS = { numRuns: 150 }

/** What a token means, the same in every model: an added one its string, an ordinary one its bytes or its spelling. */
const isWords = (kind) => KINDS[kind].spell === KINDS.word_level.spell
const meaningOf = (kind, bytes) => (isWords(kind) ? `word ${bytes}` : `bytes ${bytes}`)

const model = fc
  .record({
    kind: fc.constantFrom(
      'byte_level',
      'byte_level',
      'sentence_piece',
      'sentence_piece',
      'unigram',
      'word_level',
    ),
    texts: fc.subarray(TEXTS),
    bytes: fc.subarray(BYTES),
    parts: fc.subarray(PARTS),
    tags: fc.subarray(TAGS),
    order: DRAWS,
    gaps: DRAWS,
    spare: fc.integer({ min: -2, max: 5 }),
  })
  .map(modelOf)

function modelOf({ kind, texts, bytes, parts, tags, order, gaps, spare }) {
  // A Unigram model cannot be without an unknown piece.
  const whole = [...texts.map(bytesOf), ...(isWords(kind) ? [] : bytes)]
  if (kind === 'byte_level') whole.push(...parts)
  const ordinary = whole.map((text) => ({ token: KINDS[kind].spell(text), meaning: meaningOf(kind, text) }))
  const written = new Set(ordinary.map(({ token }) => token))
  const added = ['<unk>', ...tags].filter((tag) => !written.has(tag))
  const all = [...ordinary, ...added.map((token) => ({ token, meaning: `tag ${token}`, isAdded: true }))]
  const shuffled = all.map((entry, i) => [order[i], entry]).sort((a, b) => a[0] - b[0])
  let id = -1
  const entries = shuffled.map(([, entry], i) => {
    id += 1 + (kind === 'unigram' ? 0 : Number(gaps[i] % 4 === 0))
    return { ...entry, id }
  })
  return { kind, entries, rows: Math.max(1, id + 1 + spare) }
}

async function opened({ kind, entries, rows }) {
  const table = (wanted) => Object.fromEntries(entries.filter(wanted).map(({ token, id }) => [token, id]))
  const json = tokenizerWith(
    kind,
    table((entry) => !entry.isAdded),
    table((entry) => entry.isAdded),
  )
  return { vocabulary: await Vocabulary.of(json), rows }
}

const rowIn = ({ entries, rows }, meaning) => {
  const id = entries.find((entry) => entry.meaning === meaning)?.id ?? -1
  return id < rows ? id : -1
}

const nothingUsed = { ids: new Set(), text: '' }
const vectors = (base, chat) => [{ base, chat }]

test('each row of the target is matched with the rows of the same token, whatever the spelling and the order', () =>
  fc.assert(
    fc.asyncProperty(model, model, model, async (target, base, chat) => {
      const [t, b, c] = await Promise.all([target, base, chat].map(opened))
      const { rows, vectors: maps } = await alignRows(t, vectors(b, c), [])
      assert.deepEqual(
        [...rows.target],
        Array.from({ length: target.rows }, (_, i) => i),
      )
      for (let id = 0; id < target.rows; id++) {
        const entry = target.entries.find((one) => one.id === id)
        const expected = entry ? [rowIn(base, entry.meaning), rowIn(chat, entry.meaning)] : [-1, -1]
        assert.deepEqual([maps[0].base_rows[id], maps[0].chat_rows[id]], expected, JSON.stringify(entry))
        assert.equal(rows.from_chat[id], -1)
      }
    }),
    RUNS,
  ))

test('what the chat model uses and the target lacks is added behind its tokens, in the order of the chat model', () =>
  fc.assert(
    fc.asyncProperty(model, model, fc.subarray(TAGS), async (target, chat, used) => {
      const [t, c] = await Promise.all([target, chat].map(opened))
      const { additions, notAdded } = controlTokens(t, c, { ids: new Set(), text: used.join('\n') })
      const lacking = chat.entries
        .filter(({ isAdded, meaning }) => isAdded && !target.entries.some((own) => own.meaning === meaning))
        .map(({ token }) => token)
      const isUsed = (token) => used.join('\n').includes(token) && rowIn(chat, `tag ${token}`) >= 0
      const fresh = additions.filter(({ isNew }) => isNew)
      assert.deepEqual(
        fresh.map(({ content }) => content),
        lacking.filter(isUsed),
      )
      assert.deepEqual(
        notAdded,
        lacking.filter((token) => !isUsed(token)),
      )
      const behind = fresh.filter(({ id }) => id >= t.vocabulary.size).map(({ id }) => id)
      assert.deepEqual(
        behind,
        behind.map((_, i) => t.vocabulary.size + i),
      )
      for (const { content, chatRow } of additions) assert.equal(chatRow, rowIn(chat, `tag ${content}`))
    }),
    RUNS,
  ))

test('every row of the result has one fate, and the table counts each once', () =>
  fc.assert(
    fc.asyncProperty(model, model, model, fc.subarray(TAGS), async (target, base, chat, used) => {
      const [t, b, c] = await Promise.all([target, base, chat].map(opened))
      const { additions } = controlTokens(t, c, { ids: new Set(), text: used.join('\n') })
      const maps = await alignRows(t, vectors(b, c), additions).catch((error) => {
        assert.equal(error.code, 'ERR_VOCABULARY') // a token of the target that has no row, in between
        assert.ok(additions.length > 0 && target.rows < t.vocabulary.size)
      })
      if (!maps) return
      const { rows } = maps
      const [table] = vectorTables(t.vocabulary, maps, additions, [{ base: 0, chat: 0 }])
      const { matched, kept, added } = table.rows
      const sum = matched + added + Object.values(kept).reduce((a, b) => a + b, 0)
      assert.equal(sum, rows.target.length)
      assert.equal(added, rows.from_chat.filter((row) => row >= 0).length)
      for (const { id, chatRow } of additions) assert.equal(rows.from_chat[id], chatRow)
      assert.equal(rows.target.length, Math.max(target.rows, ...additions.map(({ id }) => id + 1)))
      for (let id = 0; id < rows.target.length; id++) {
        assert.ok(
          rows.target[id] >= 0 !== rows.from_chat[id] >= 0,
          'either of the target or of the chat model',
        )
        const both = maps.vectors[0].base_rows[id] >= 0 && maps.vectors[0].chat_rows[id] >= 0
        assert.equal(fateOf(id, t.vocabulary, rows, maps.vectors[0]) === 'matched', both)
      }
    }),
    RUNS,
  ))

test('with the ids of the base permuted, its rows are permuted and nothing else changes', () =>
  fc.assert(
    fc.asyncProperty(model, model, DRAWS, async (target, base, draws) => {
      const ids = base.entries.map(({ id }) => id)
      const order = ids.map((id, i) => [draws[i], id]).sort((a, b) => a[0] - b[0])
      const moved = new Map(ids.map((id, i) => [id, order[i][1]]))
      const rows = Math.max(...ids) + 1
      const other = { ...base, entries: base.entries.map((entry) => ({ ...entry, id: moved.get(entry.id) })) }
      const [t, before, after] = await Promise.all(
        [target, { ...base, rows }, { ...other, rows }].map(opened),
      )
      const [was, is] = await Promise.all([before, after].map((b) => alignRows(t, vectors(b, before), [])))
      const expected = was.vectors[0].base_rows.map((row) => (row < 0 ? -1 : moved.get(row)))
      assert.deepEqual(is.vectors[0].base_rows, expected)
      assert.deepEqual(is.vectors[0].chat_rows, was.vectors[0].chat_rows)
    }),
    RUNS,
  ))

test('a vocabulary matched with itself is matched row by row', () =>
  fc.assert(
    fc.asyncProperty(model, async (one) => {
      const t = await opened(one)
      const { additions, notAdded } = controlTokens(t, t, nothingUsed)
      assert.deepEqual(
        notAdded.filter((token) => t.vocabulary.ids.get(token) < one.rows),
        [],
      )
      assert.deepEqual(additions, [])
      const { vectors: maps } = await alignRows(t, vectors(t, t), [])
      for (const [id, row] of maps[0].base_rows.entries())
        assert.equal(row, t.vocabulary.tokens[id] === undefined ? -1 : id)
    }),
    RUNS,
  ))
