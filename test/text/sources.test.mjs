import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { readDocuments, resolveSource } from '#lib/text/documents'
import { temporaryFolder } from '../helpers/folders.mjs'

async function all(source, options) {
  const items = []
  for await (const item of readDocuments(source, options)) items.push(item)
  return items
}
const texts = async (source) => (await all(source)).map(({ text }) => text)
const names = (folder, { files }) => files.map(({ path }) => path.slice(folder.length + 1))

test('a folder is read to its depth in the order of names, and what is no data is told', async () => {
  const folder = temporaryFolder({
    'b.txt': 'two',
    'a/z.jsonl': '{"text": "one"}\n',
    'c.JSON': '[{"text": "three"}]',
    'notes.pdf': 'x',
    '.hidden.txt': 'no',
    '.git/config.txt': 'no',
  })
  const resolved = await resolveSource({ path: folder })
  assert.deepEqual(names(folder, resolved), ['a/z.jsonl', 'b.txt', 'c.JSON'])
  assert.deepEqual(resolved.ignored, [join(folder, 'notes.pdf')])
  assert.deepEqual(await texts({ path: folder }), ['one', 'two', 'three'])
})

test('a pattern chooses files; a file of such a name is that file', async () => {
  const folder = temporaryFolder({
    'x/a1.txt': '1',
    'x/a2.txt': '2',
    'y/a3.txt': '3',
    'x/b.txt': 'b',
    '[a].txt': 'brackets',
  })
  const of = async (pattern) => names(folder, await resolveSource({ path: join(folder, pattern) }))
  assert.deepEqual(await of('x/a*.txt'), ['x/a1.txt', 'x/a2.txt'])
  assert.deepEqual(await of('**/a*.txt'), ['x/a1.txt', 'x/a2.txt', 'y/a3.txt'])
  assert.deepEqual(await of('{x,y}/a[13].txt'), ['x/a1.txt', 'y/a3.txt'])
  assert.deepEqual(await of('[a].txt'), ['[a].txt'])
})

test('links are followed, as hub caches are made of them', async () => {
  const folder = temporaryFolder({ 'blobs/0123': '{"text": "linked"}\n' })
  mkdirSync(join(folder, 'snapshot'))
  symlinkSync(join(folder, 'blobs/0123'), join(folder, 'snapshot/train.jsonl'))
  assert.deepEqual(await texts({ path: join(folder, 'snapshot') }), ['linked'])
})

test('a path that matches nothing says what is there', async () => {
  const folder = temporaryFolder({ 'train.txt': 'x', 'test.csv': 'x' })
  const message = (path) =>
    resolveSource({ path: join(folder, path) }).then(
      () => assert.fail('found something'),
      ({ code, message, hint }) => {
        assert.match(hint, /holds test\.csv, train\.txt\. Data files end in \.txt/)
        return `${code} ${message.slice(folder.length + 1)}`
      },
    )
  assert.equal(await message('none.txt'), 'ERR_NOT_FOUND none.txt: no such file')
  assert.equal(await message('none/deep.txt'), 'ERR_NOT_FOUND none/deep.txt: no such file')
  assert.equal(await message('*.jsonl'), 'ERR_NOT_FOUND *.jsonl: no data file matches')
  mkdirSync(join(folder, 'empty'))
  await assert.rejects(resolveSource({ path: join(folder, 'empty') }), {
    message: /no data file in this folder/,
    hint: /empty holds nothing/,
  })
  await assert.rejects(resolveSource({ path: join(folder, 'test.csv') }), {
    code: 'ERR_DATA',
    message: /expected a file that ends in \.txt, .*\.parquet; all but the last also with \.gz or \.zst/,
  })
})

const lines = Array.from({ length: 3000 }, (_, i) =>
  JSON.stringify({ text: `document ${i} ${'é'.repeat(i % 97)}` }),
)
const jsonl = `${lines.join('\n')}\n`

test('compressed files are read as what they hold', async () => {
  const folder = temporaryFolder({
    'a.jsonl': jsonl,
    'a.jsonl.gz': gzipSync(jsonl),
    'b.txt.gz': gzipSync('one\n\ntwo'),
  })
  const plain = await texts({ path: join(folder, 'a.jsonl') })
  assert.deepEqual(await texts({ path: join(folder, 'a.jsonl.gz') }), plain)
  assert.deepEqual(await texts({ path: join(folder, 'b.txt.gz') }), ['one', 'two'])
})

// Node 20 packs no zstd: made by `zstd` 1.5, two frames of a line each, '{"text": "one"}\n' and '{"text": "two"}\n'.
const ZSTD = 'KLUv/QRYgQAAeyJ0ZXh0IjogIm9uZSJ9CtpHCh0otS/9BFiBAAB7InRleHQiOiAidHdvIn0KRWrEHw=='

test('zstd is unpacked, and damaged compression is an error that names the file', async () => {
  const folder = temporaryFolder({
    'a.jsonl.zst': Buffer.from(ZSTD, 'base64'),
    'cut.jsonl.zst': Buffer.from(ZSTD, 'base64').subarray(0, 20),
    'not.jsonl.zst': 'this is no zstd at all',
    'cut.jsonl.gz': gzipSync(jsonl).subarray(0, 600),
    'not.jsonl.gz': 'this is no gzip at all',
  })
  assert.deepEqual(await texts({ path: join(folder, 'a.jsonl.zst') }), ['one', 'two'])
  for (const name of ['cut.jsonl.zst', 'not.jsonl.zst', 'cut.jsonl.gz', 'not.jsonl.gz']) {
    await assert.rejects(all({ path: join(folder, name), format: 'text' }), {
      code: 'ERR_DATA',
      message: new RegExp(`${name}: cannot be unpacked`),
    })
  }
})
