import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readDocuments, resolveSource } from '#lib/text/documents'
import { readLines } from '#lib/text/lines'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const folder = temporaryFolder()
let files = 0

/** Writes a file and reads it as a source. */
async function read(name, content, source = {}, options = {}) {
  const path = join(folder, `${files++}-${name}`)
  writeFileSync(path, content)
  return all(readDocuments({ path, ...source }, options))
}
async function all(iterable) {
  const items = []
  for await (const item of iterable) items.push(item)
  return items
}
const texts = async (...args) => (await read(...args)).map(({ text }) => text)
const lines = (...records) => records.map((record) => `${JSON.stringify(record)}\n`).join('')
const talk = async (record, source) => (await read('a.jsonl', lines(record), source))[0].messages
const rejects = (promise, message, code = 'ERR_DATA') => assert.rejects(promise, { code, message })

test('plain text is cut at blank lines, at every line, or nowhere', async () => {
  const content = 'one\ntwo\n\n  \nthree\n\n'
  assert.deepEqual(await texts('a.txt', content), ['one\ntwo', 'three'])
  assert.deepEqual(await texts('a.txt', content, { split: 'line' }), ['one', 'two', 'three'])
  assert.deepEqual(await texts('a.txt', content, { split: 'file' }), ['one\ntwo\n\n  \nthree'])
  assert.deepEqual(await texts('a.txt', ''), [])
  assert.deepEqual(
    (await read('a.txt', content)).map(({ line }) => line),
    [1, 5],
  )
})

test('byte order marks, line ends of Windows and a missing last newline change nothing', async () => {
  assert.deepEqual(await texts('a.txt', '\uFEFFone\r\ntwo\r\n\r\nthree'), ['one\ntwo', 'three'])
  assert.deepEqual(await texts('a.jsonl', '\uFEFF{"text": "one"}\r\n\r\n{"text": "two"}'), ['one', 'two'])
})

test('lines are the same however the file is cut into chunks', async () => {
  const path = join(folder, 'long.txt')
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ unit: 'binary' }).filter((text) => !/[\n\r\uFEFF]/.test(text) && text.isWellFormed()),
        { minLength: 1, maxLength: 20 },
      ),
      async (rows) => {
        // 260 kB in front, so that the rows lie about the end of the first chunk.
        const filler = 'x'.repeat(256 * 1024 - 40)
        writeFileSync(path, [filler, ...rows, ''].join('\n'))
        assert.deepEqual(
          (await all(readLines(path))).map(({ text }) => text),
          [filler, ...rows],
        )
      },
    ),
    { numRuns: 30 },
  )
})

test('a line longer than the limit, bytes that are not UTF-8 and binary files are refused with file and line', async () => {
  const path = join(folder, 'endless.txt')
  writeFileSync(path, 'short\n')
  truncateSync(path, 2 ** 20)
  await rejects(
    all(readLines(path, { maxBytes: 300_000 })),
    /endless\.txt:2: expected a line of at most 300000 bytes/,
  )
  await rejects(read('a.txt', Buffer.from('good\nb\xe9d\n', 'latin1')), /a\.txt:2: expected UTF-8 text/)
  await rejects(read('a.txt', 'text\n\0\0\0'), /a\.txt:2: expected text, found a byte 0/)
})

test('a missing file is told with its path', async () => {
  await rejects(
    all(readDocuments({ path: join(folder, 'none.txt') })),
    /none\.txt: no such file/,
    'ERR_NOT_FOUND',
  )
  await rejects(
    all(readDocuments({ path: `${temporaryFolder()}/../${folder.split('/').pop()}/x.txt/y.txt` })),
    /no such file/,
    'ERR_NOT_FOUND',
  )
})

test('the format of JSON records is guessed from the first ones', async () => {
  const guess = async (...records) => {
    const path = join(folder, 'guess.jsonl')
    writeFileSync(path, lines(...records))
    return (await resolveSource({ path })).files[0].format
  }
  assert.equal(await guess({ text: 'x', id: 1 }), 'text')
  assert.equal(await guess({ messages: [] }), 'messages')
  assert.equal(await guess({ conversations: [] }), 'sharegpt')
  assert.equal(await guess({ instruction: 'x', input: '', output: 'y' }), 'alpaca')
  assert.equal(await guess({ prompt: 'x', completion: 'y' }), 'pairs')
  assert.equal(await guess({ question: 'x', answer: 'y' }), 'pairs')
  await rejects(
    guess({ foo: 1 }),
    /guess\.jsonl:1: expected records with a text or a conversation, found keys foo/,
  )
  await rejects(guess(), /found no record/)
  assert.equal(await guess({ text: 'x', messages: [] }, { text: 'x' }), 'text', 'what they have in common')
  assert.equal(await guess({ text: 'x' }, { messages: [] }), 'text', 'or else the first')
})

test('what is resolved can be shown, and read', async () => {
  const path = join(folder, 'shown.jsonl')
  writeFileSync(path, lines({ body: 'x' }))
  const resolved = await resolveSource({ path, field: 'body' })
  const file = { path, container: 'json', format: 'text', field: 'body', split: 'paragraph' }
  assert.deepEqual(resolved, { path, files: [file], ignored: [] })
  assert.deepEqual(
    (await all(readDocuments(resolved))).map(({ text }) => text),
    ['x'],
  )
})

test('each format becomes messages', async () => {
  const qa = [
    { role: 'user', content: 'q' },
    { role: 'assistant', content: 'a' },
  ]
  const system = { role: 'system', content: 's' }
  assert.deepEqual(
    await talk({
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'q' }] },
        { role: 'assistant', content: 'a', name: 'n' },
      ],
    }),
    [qa[0], { ...qa[1], name: 'n' }],
  )
  assert.deepEqual(
    await talk({
      system: 's',
      conversations: [
        { from: 'human', value: 'q' },
        { from: 'gpt', value: 'a' },
      ],
    }),
    [system, ...qa],
  )
  assert.deepEqual(await talk({ instruction: 'q', input: '', output: 'a' }), qa)
  assert.deepEqual(
    await talk({ instruction: 'q', input: 'i', output: 'a', system: 's', history: [['q', 'a']] }),
    [system, ...qa, { role: 'user', content: 'q\ni' }, qa[1]],
  )
  assert.deepEqual(
    await talk({
      instruction: 'q',
      instances: [
        { input: '', output: 'a' },
        { input: 'i', output: 'a' },
      ],
    }),
    [...qa, { role: 'user', content: 'q\ni' }, qa[1]],
  )
  assert.deepEqual(await talk({ prompt: 'q', response: 'a' }), qa)
  assert.deepEqual(await talk({ text: 'x', messages: qa }, { format: 'messages' }), qa)
})

test('a record that does not fit is refused with file, line and what is missing', async () => {
  const good = {
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
    ],
  }
  const bad = (record, format) => read('a.jsonl', lines(good, record), { format: format ?? 'messages' })
  await rejects(bad({ text: 'x' }), /a\.jsonl:2: expected a list under "messages", found text/)
  await rejects(
    bad({ messages: [{ role: 'user' }] }),
    /:2: expected messages\[0\] to have a role and a content of text/,
  )
  await rejects(bad({ messages: [good.messages[0], null] }), /:2: expected messages\[1\]/)
  await rejects(bad({ messages: [good.messages[0]] }), /:2: expected at least one answer of the assistant/)
  await rejects(
    read('a.jsonl', lines({ conversations: [{ from: 'constructor', value: 'x' }] })),
    /conversations\[0\] to have/,
  )
  await rejects(read('a.jsonl', lines({ instruction: 'q', output: 'a', history: ['x'] })), /history\[0\]/)
  await rejects(
    read('a.jsonl', lines({ a: 1 }), { format: 'alpaca' }),
    /:1: expected text under "instruction" and "output", found a/,
  )
  await rejects(
    read('a.jsonl', lines({ a: 1 }), { format: 'pairs' }),
    /:1: expected text under prompt and completion/,
  )
  await rejects(read('a.jsonl', lines({ a: 1 }), { field: 'b' }), /:1: expected text under "b", found a/)
})

test('broken lines name file and line; a truncated last one is told as such', async () => {
  const good = '{"text": "one"}\n'
  await rejects(
    read('a.jsonl', `${good}{"text": \n${good}`),
    /a\.jsonl:2: expected a JSON object, received text that is not JSON/,
  )
  await rejects(read('a.jsonl', `${good}{"text": "tw`), /:2: .*the file ends within it/)
  for (const [value, name] of [
    ['[1]', 'a list'],
    ['null', 'null'],
    ['3', 'a number'],
    ['"x"', 'a string'],
  ]) {
    await rejects(
      read('a.jsonl', `${good}${value}\n`),
      new RegExp(`:2: expected a JSON object, received ${name}`),
    )
  }
})

test('bad records can be left out instead, each one told', async () => {
  const told = []
  const content = '{"text": "one"}\nnonsense\n{"texts": 1}\n{"text": "two"}\n'
  const options = { onInvalid: (error) => told.push(error.message) }
  assert.deepEqual(await texts('b.jsonl', content, {}, options), ['one', 'two'])
  assert.equal(told.length, 2)
  assert.match(told[0], /b\.jsonl:2: /)
  assert.match(told[1], /b\.jsonl:3: expected text under "text", found texts/)
})

test('a line that is not UTF-8, or of a binary file, can be left out as well', async () => {
  const told = []
  const options = { onInvalid: (error) => told.push(error.message) }
  const bad = Buffer.from('{"text": "one"}\n{"text": "\xe9"}\n{"text": "two"}\n', 'latin1')
  assert.deepEqual(await texts('b.jsonl', bad, {}, options), ['one', 'two'])
  assert.deepEqual(await texts('b.txt', 'one\n\n\0\0\n\ntwo', {}, options), ['one', 'two'])
  assert.match(told[0], /b\.jsonl:2: expected UTF-8/)
  assert.match(told[1], /b\.txt:3: expected text, found a byte 0/)
})

test('an element of a JSON array that is not UTF-8 is refused with its line, or left out as well', async () => {
  const bad = Buffer.concat([
    Buffer.from('[{"text": "你好 😀"},\n'),
    Buffer.from('{"text": "caf\xe9, ]"},\n\n{"te\xffxt": "b"},', 'latin1'),
    Buffer.from('\n{"text": "zwei: ä"}]'),
  ])
  await rejects(read('b.json', bad), /b\.json:2: expected UTF-8 text, received bytes that are not/)
  const told = []
  const options = { onInvalid: (error) => told.push(error.message) }
  assert.deepEqual(await texts('b.json', bad, {}, options), ['你好 😀', 'zwei: ä'])
  assert.deepEqual(
    told.map((message) => message.match(/b\.json:(\d): expected UTF-8/)[1]),
    ['2', '4'],
  )
})

test('a JSON array is read element by element, with the line of each', async () => {
  const content = '\uFEFF [\n{"text": "a, [b] \\"c\\" \\\\"},\n\n  {"text":\n"two"} , {"text": "three"}\n]\n'
  const documents = await read('a.json', content)
  assert.deepEqual(
    documents.map(({ text, line }) => [text, line]),
    [
      ['a, [b] "c" \\', 2],
      ['two', 4],
      ['three', 5],
    ],
  )
  assert.deepEqual(await texts('a.json', '[{"text": "x"}]'), ['x'])
  assert.deepEqual(await texts('a.json', '[]', { format: 'text' }), [])
  assert.deepEqual(await texts('a.json', '{"text": "x"}\n{"text": "y"}'), ['x', 'y'], 'lines in a .json')
})

test('a JSON array that is cut off or goes on after its end is refused', async () => {
  await rejects(
    read('a.json', '[{"text": "x"},\n{"te', { format: 'text' }),
    /a\.json:2: .*the file ends within it/,
  )
  await rejects(read('a.json', '[{"text": "x"}\n', { format: 'text' }), /a\.json:2: expected "]" at the end/)
  await rejects(
    read('a.json', '[{"text": "x"}]\n[', { format: 'text' }),
    /a\.json:2: expected nothing after the list/,
  )
  await rejects(read('a.json', '[{"text": "x"}] x', { format: 'text' }), /expected nothing after the list/)
  await rejects(read('a.json', '[{"text": "x"}],', { format: 'text' }), /expected nothing after the list/)
  await rejects(read('a.json', '[{"text": "x"}]]', { format: 'text' }), /expected nothing after the list/)
  await rejects(
    read('a.json', '[{"text": "x"}, 3]', { format: 'text' }),
    /a\.json:1: expected a JSON object, received a number/,
  )
})

test('an array of any records comes out as they are, however the file is cut', async () => {
  const records = fc.array(
    fc.record({
      text: fc
        .string({ unit: 'binary', minLength: 1 })
        .filter((text) => text.trim() !== '' && text.isWellFormed()),
      more: fc.jsonValue(),
    }),
    { maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(records, fc.constantFrom(0, 2), async (list, indent) => {
      const padded = ' '.repeat(256 * 1024 - 30) + JSON.stringify(list, null, indent)
      assert.deepEqual(
        await texts('p.json', padded, { format: 'text' }),
        list.map(({ text }) => text),
      )
    }),
    { numRuns: 30 },
  )
})

test('a key __proto__ in a record means nothing', async () => {
  const [document] = await read('a.jsonl', '{"__proto__": {"text": "no"}, "text": "yes"}\n')
  assert.equal(document.text, 'yes')
  await rejects(read('a.jsonl', '{"__proto__": {"text": "no"}}\n', { format: 'text' }), /found __proto__/)
  assert.equal({}.text, undefined)
})

test('an aborted reading ends with the reason of the signal', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const path = join(folder, 'many.txt')
  writeFileSync(path, 'a line\n\n'.repeat(200_000))
  await assert.rejects(async () => {
    for await (const _ of readDocuments({ path }, { signal: stop.signal })) stop.abort(reason)
  }, reason)
})

test('blank documents are left out', async () => {
  assert.deepEqual(await texts('a.jsonl', lines({ text: 'x' }, { text: ' \n' }, { text: 'y' })), ['x', 'y'])
})

const real = {
  'corpus/en_c4_demo.jsonl': ['text', 200],
  'corpus/genesis_german.txt': ['text', undefined],
  'corpus/zh_hant_wiki_drcd_dev.jsonl': ['text', 1000],
  'instruct/alpaca_en.jsonl': ['alpaca', 3500],
  'instruct/alpaca_gpt4_en.jsonl': ['alpaca', 700],
  'instruct/alpaca_gpt4_zh_hans.jsonl': ['alpaca', 700],
  'instruct/alpaca_gpt4_zh_hant_converted.jsonl': ['alpaca', 700],
  'instruct/chatbot_ko.jsonl': ['alpaca', 8000],
  'instruct/dpo_en_demo.jsonl': ['preference', 200],
  'instruct/dpo_zh_demo.jsonl': ['preference', 200],
  'instruct/hh_rlhf_harmless_pairs.jsonl': ['preference', 1200],
  'instruct/oasst_zh.jsonl': ['alpaca', 520],
  'instruct/oasst_zh_hant_converted.jsonl': ['alpaca', 520],
  'instruct/self_instruct_seed_tasks.jsonl': ['alpaca', 175],
}
const isWhole = {
  text: ({ text }) => text !== '',
  alpaca: ({ messages }) => messages.at(-1).role === 'assistant',
  preference: ({ prompt, chosen, rejected }) =>
    prompt.at(-1).role === 'user' &&
    [chosen, rejected].every((turns) => turns.length === 1 && turns[0].role === 'assistant'),
}
for (const [file, [format, count]] of Object.entries(real)) {
  dataTest(`${file} is read as ${format}`, file, async (_, path) => {
    assert.equal((await resolveSource({ path })).files[0].format, format)
    const documents = await all(readDocuments({ path }))
    if (count !== undefined) assert.equal(documents.length, count)
    assert.ok(documents.every(isWhole[format]))
  })
}
