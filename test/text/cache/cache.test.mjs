import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import { readEntry } from '#lib/text/cache/entry'
import { hashFile } from '#lib/text/cache/file_hash'
import { TokenStore } from '#lib/text/cache/store'
import { EntryWriter, writeManifest } from '#lib/text/cache/writer'
import { ChatTemplate } from '#lib/text/chat_template'
import { IGNORE } from '#lib/text/conversation'
import { Tokenizer } from '#lib/text/tokenizer'
import { memoryTokens } from '#lib/text/tokens'
import { workPath } from '#lib/work_paths'
import { contents, cp, jsonl, open, text, texts, tokenizer } from '../../helpers/cached_sources.mjs'
import { temporaryFolder } from '../../helpers/folders.mjs'
import { openFiles } from '../../helpers/process_state.mjs'
import { CHATML, wordTokenizer } from '../../helpers/tokenizers.mjs'

const entries = (cache) => readdirSync(cache).filter((name) => /^[0-9a-f]{64}$/.test(name))
const hidden = (cache) => readdirSync(cache).filter((name) => /tmp|trash/.test(name))

test('what is written into an entry is what is read from it, from any place on', async () => {
  const folder = temporaryFolder()
  let number = 0
  const document = fc
    .array(fc.tuple(fc.nat({ max: 65_535 }), fc.boolean()), { minLength: 1, maxLength: 40 })
    .chain((tokens) =>
      fc.boolean().map((all) => ({
        ids: Int32Array.from(tokens, ([id]) => id),
        ...(!all && { labels: Int32Array.from(tokens, ([id, learnt]) => (learnt ? id : IGNORE)) }),
      })),
    )
  await fc.assert(
    fc.asyncProperty(
      fc.array(document, { maxLength: 12 }),
      fc.constantFrom(300, 100_000),
      async (documents, vocabulary) => {
        const place = join(folder, `${number++}`)
        mkdirSync(place)
        const writer = await EntryWriter.open(place, vocabulary)
        for (const one of documents) await writer.add(one)
        const written = await writer.finish()
        assert.equal(written.width, vocabulary === 300 ? 2 : 4)
        assert.equal(
          written.masked,
          documents.some(({ labels }) => labels),
        )
        const store = await TokenStore.open(place, written)
        const memory = memoryTokens(documents)
        assert.deepEqual([store.count, store.total], [memory.count, memory.total])
        assert.deepEqual(await contents(store), await contents(memory))
        for (const [d, { ids }] of documents.entries()) {
          assert.equal(store.firstTarget(d), memory.firstTarget(d))
          const from = ids.length >> 1
          const [part, labels] = [0, 0].map(() => new Int32Array(ids.length - from))
          await store.read(d, from, part, labels)
          assert.deepEqual([...part], [...ids.subarray(from)])
        }
        await store.close()
      },
    ),
    { numRuns: 40 },
  )
})

test('a source is encoded once: its name does not matter, its content and how it is read do', async () => {
  const cache = temporaryFolder()
  const folder = temporaryFolder({ 'a.jsonl': jsonl(texts.map((value) => ({ text: value, other: 'x' }))) })
  const path = join(folder, 'a.jsonl')
  const first = await open(path, { cache })
  assert.equal(first.cached, false)
  assert.equal(first.manifest.documents, texts.length)
  assert.equal(first.manifest.characters, [...texts.join('')].length)
  const expected = await contents(memoryTokens((await tokenizer.encodeBatch(texts)).map((ids) => ({ ids }))))
  assert.deepEqual(await contents(first.tokens), expected)
  renameSync(path, join(folder, 'b.jsonl'))
  const again = await open(join(folder, 'b.jsonl'), { cache })
  assert.equal(again.cached, true)
  assert.deepEqual(await contents(again.tokens), expected)
  assert.equal(entries(cache).length, 1)

  const inscp = {
    ...cp,
    objective: 'inscp',
    text: { ...text, endOfTurnId: tokenizer.tokenToId('<|im_end|>') },
  }
  const others = [
    [{ source: { field: 'other' } }],
    [{ invalid: 'skip' }],
    [{}, inscp],
    [{}, { ...inscp, options: { loss: 'body' } }],
    [{}, { ...cp, text: { ...text, template: undefined } }],
  ]
  for (const [options, encoding] of others) {
    const other = await open(join(folder, 'b.jsonl'), { cache, ...options }, encoding)
    assert.equal(other.cached, false)
  }
  writeFileSync(join(folder, 'b.jsonl'), jsonl([{ text: 'new' }]))
  assert.equal((await open(join(folder, 'b.jsonl'), { cache })).manifest.documents, 1)
  assert.equal(entries(cache).length, 2 + others.length)
})

const damages = {
  'a bit of the tokens': (entry) => {
    const bytes = readFileSync(join(entry, 'tokens.bin'))
    bytes[1234] ^= 1
    writeFileSync(join(entry, 'tokens.bin'), bytes)
    return /tokens\.bin: its content has changed/
  },
  'the end of the index': (entry) => {
    truncateSync(join(entry, 'index.bin'), 16)
    return /index\.bin: expected 2800 bytes, found 16/
  },
  'the tokens': (entry) => {
    rmSync(join(entry, 'tokens.bin'))
    return /tokens\.bin: expected \d+ bytes, found no file/
  },
  'the manifest': (entry) => {
    rmSync(join(entry, 'manifest.json'))
    return /manifest\.json: no such file/
  },
  'half of the manifest': (entry) => {
    truncateSync(join(entry, 'manifest.json'), 100)
    return /manifest\.json: it is not JSON/
  },
}
for (const [what, damage] of Object.entries(damages)) {
  test(`an entry that has lost ${what} is told of and made again`, async () => {
    const cache = temporaryFolder()
    const path = join(
      temporaryFolder({ 'a.jsonl': jsonl(texts.map((value) => ({ text: value }))) }),
      'a.jsonl',
    )
    const before = await contents((await open(path, { cache })).tokens)
    const entry = join(cache, entries(cache)[0])
    const reason = damage(entry)
    const told = []
    const { cached, tokens } = await open(path, { cache, onWarning: (message) => told.push(message) })
    assert.equal(cached, false)
    assert.equal(told.length, 1)
    assert.match(told[0], /is damaged and is made again/)
    assert.match(told[0], reason)
    assert.deepEqual(await contents(tokens), before)
    assert.deepEqual(hidden(cache), [])
    assert.equal((await open(path, { cache })).cached, true)
  })
}

test('ids beyond two bytes are kept whole, also of few tokens; an entry that has cut them is made again', async () => {
  const words = Tokenizer.fromJson(wordTokenizer({ a: 0, b: 1, c: 70_000 }))
  const encoding = { objective: 'cp', options: { loss: 'all' }, text: { tokenizer: words } }
  const path = join(temporaryFolder({ 'a.jsonl': jsonl([{ text: 'a b c c' }]) }), 'a.jsonl')
  const cache = temporaryFolder()
  const idsOf = async ({ tokens }) => (await contents(tokens))[0].ids
  const expected = [0, 1, 70_000, 70_000]
  const first = await open(path, { cache }, encoding)
  assert.deepEqual(await idsOf(first), expected)
  assert.equal(first.manifest.width, 4)
  const [name] = entries(cache)
  const entry = join(cache, name)
  rmSync(entry, { recursive: true })
  mkdirSync(entry)
  const writer = await EntryWriter.open(entry, 3)
  await writer.add({ ids: Int32Array.from(expected) })
  await writeManifest(entry, { ...first.manifest, ...(await writer.finish()) })
  const told = []
  const again = await open(path, { cache, onWarning: (message) => told.push(message) }, encoding)
  assert.deepEqual(await idsOf(again), expected)
  assert.match(told.join(), /is damaged and is made again: ids of 2 bytes are cut/)
  assert.equal((await open(path, { cache }, encoding)).cached, true)
})

test('several that encode the same source at once end with one entry, and all can read', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.txt': texts.join('\n\n') }), 'a.txt')
  const all = await Promise.all(Array.from({ length: 4 }, () => open(path, { cache })))
  const [first, ...others] = await Promise.all(all.map(({ tokens }) => contents(tokens)))
  for (const other of others) assert.deepEqual(other, first)
  assert.equal(entries(cache).length, 1)
  assert.deepEqual(hidden(cache), [])
})

test('an entry may be deleted while it is used', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.txt': texts.join('\n\n') }), 'a.txt')
  const { tokens } = await open(path, { cache })
  rmSync(cache, { recursive: true })
  assert.equal((await contents(tokens)).length, texts.length)
  await tokens.close()
})

test('a disk that is full, or becomes so, is an error before it is half an entry', async () => {
  const path = join(temporaryFolder({ 'a.txt': texts.join('\n\n') }), 'a.txt')
  const cache = temporaryFolder()
  await assert.rejects(open(path, { cache, free: async () => 1000 }), {
    code: 'ERR_NO_SPACE',
    message: /the cache of encoded data needs about 1 MB, 1 MB are free/,
    hint: /data_cache: PATH/,
  })
  assert.deepEqual([entries(cache), hidden(cache)], [[], []])
})

test('a cache whose place is taken by a file, or lies below one, is told which', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'a.txt')
  writeFileSync(file, 'hello')
  for (const [cache, received] of [
    [file, /a\.txt: expected a folder for encoded data, received a file$/],
    [join(file, 'below'), /below: expected a folder for encoded data, received ENOTDIR$/],
  ])
    await assert.rejects(open(file, { cache }), {
      code: 'ERR_IO',
      message: received,
      hint: 'Name another folder: data_cache: PATH.',
    })
})

test('what a killed process left is removed; what a living one works on stays', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.txt': 'one' }), 'a.txt')
  await open(path, { cache })
  let living
  await open(path, {
    cache,
    source: { split: 'line' },
    onProgress: () => {
      living = hidden(cache)[0]
    },
  })
  const dead = living.replace(`-${process.pid}-`, '-4194304-')
  const ours = living.replace(/-[^-]*$/, '-other')
  // Of a container of this name: its processes have numbers that mean nothing here.
  const neighbour = createHash('sha256').update(hostname()).digest('hex').slice(0, 12)
  const theirs = dead.replace(/^\.tmp-[0-9a-f]{12}/, `.tmp-${neighbour}`)
  assert.notEqual(theirs, dead)
  for (const name of [dead, ours, theirs]) mkdirSync(join(cache, name))
  await open(path, { cache, source: { split: 'file' } })
  assert.deepEqual(hidden(cache), [ours, theirs].sort())
})

test('an entry that has gone in part is an error with its path, and leaves no file open', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.jsonl': jsonl([{ text: 'one' }]) }), 'a.jsonl')
  const { manifest, tokens } = await open(path, { cache })
  await tokens.close()
  const folder = join(cache, entries(cache)[0])
  const openHere = () => openFiles().filter((name) => name.startsWith(folder))
  await assert.rejects(TokenStore.open(folder, { ...manifest, masked: true }), {
    code: 'ERR_NOT_FOUND',
    message: `${folder}: no such file`,
  })
  assert.deepEqual(openHere(), [])
})

const broken =
  jsonl([{ text: 'one' }, { text: 'two' }]).replace('\n', '\nnonsense\n') + jsonl([{ texts: 'x' }])

test('a broken record stops the encoding with file and line, or is left out and counted', async () => {
  const path = join(temporaryFolder({ 'a.jsonl': broken }), 'a.jsonl')
  const cache = temporaryFolder()
  await assert.rejects(open(path, { cache }), {
    code: 'ERR_DATA',
    message: /a\.jsonl:2: expected a JSON object/,
  })
  assert.deepEqual([entries(cache), hidden(cache)], [[], []])
  for (let time = 0; time < 2; time++) {
    const { manifest, cached } = await open(path, { cache, invalid: 'skip', maxInvalid: 2 })
    assert.equal(cached, time === 1)
    assert.deepEqual([manifest.documents, manifest.records, manifest.skipped], [2, 4, 2])
    assert.match(manifest.problems[1], /a\.jsonl:4: expected text under "text"/)
  }
})

test('more broken records than allowed are an error with their number and the first places', async () => {
  const path = join(temporaryFolder({ 'a.jsonl': broken }), 'a.jsonl')
  const cache = temporaryFolder()
  const skip = (maxInvalid) => open(path, { cache, invalid: 'skip', maxInvalid })
  const error = { code: 'ERR_DATA', hint: /raise max_invalid/ }
  await assert.rejects(skip(0.4), {
    ...error,
    message: /a\.jsonl: 2 of 4 records cannot be read.*a\.jsonl:2: .*; .*a\.jsonl:4: /,
  })
  await assert.rejects(skip(0.4), error, 'also when the cache has it')
  assert.equal((await skip(0.5)).manifest.skipped, 2)
  await assert.rejects(open(path, { cache: temporaryFolder(), invalid: 'skip', maxInvalid: 1 }), error)
})

test('a conversation that the template refuses is told with its place, or left out', async () => {
  const template = new ChatTemplate(
    `{% if messages[0].role != 'user' %}{{ raise_exception('begin with the user') }}{% endif %}${CHATML}`,
  )
  const sft = { objective: 'sft', options: { loss: 'all' }, text: { ...text, template } }
  const talk = (role) => ({
    messages: [
      { role, content: 'hi' },
      { role: 'assistant', content: 'hello' },
    ],
  })
  const path = join(
    temporaryFolder({ 'a.jsonl': jsonl([talk('user'), talk('system'), talk('user')]) }),
    'a.jsonl',
  )
  const cache = temporaryFolder()
  await assert.rejects(open(path, { cache }, sft), {
    code: 'ERR_TEMPLATE',
    message: /a\.jsonl:2: .*begin with the user/,
  })
  const { manifest, tokens } = await open(path, { cache, invalid: 'skip', maxInvalid: 1 }, sft)
  assert.deepEqual([manifest.documents, manifest.skipped, manifest.masked], [2, 1, true])
  const [first, second] = await contents(tokens)
  assert.deepEqual(first, second)
  assert.equal(await tokenizer.decode(first.labels.filter((label) => label !== IGNORE)), 'hello')
})

test('a hash is remembered until the file changes, but not of a file that was written a moment ago', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.txt': 'one' }), 'a.txt')
  const { sha256 } = await hashFile(path, cache)
  assert.ok(!existsSync(join(cache, 'hashes')))
  await setTimeout(2100)
  const dead = await workPath(cache)
  writeFileSync(dead.replace(`-${process.pid}-`, '-4194304-'), 'of a process that was killed')
  await hashFile(path, cache)
  assert.deepEqual(hidden(cache), [])
  const note = join(cache, 'hashes', readdirSync(join(cache, 'hashes'))[0])
  writeFileSync(note, readFileSync(note, 'utf8').replace(sha256, 'recalled'))
  assert.equal((await hashFile(path, cache)).sha256, 'recalled')
  utimesSync(path, 1, 1)
  assert.equal((await hashFile(path, cache)).sha256, sha256)
})

test('an entry under a key that is not its own is damaged', async () => {
  const cache = temporaryFolder()
  const path = join(temporaryFolder({ 'a.txt': 'one' }), 'a.txt')
  await open(path, { cache })
  assert.match(await readEntry(join(cache, entries(cache)[0]), 'another'), /that of another entry/)
  assert.equal(await readEntry(join(cache, 'none'), 'none'), undefined)
})
