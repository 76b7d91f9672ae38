// Where a report goes: what stands in the way of its page costs nobody the files of an earlier one.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkedPlace, publish } from '#lib/verbs/reporting/place'
import { temporaryFolder } from '../../helpers/folders.mjs'

const attachment = (content) => [{ name: 'report.json', content }]

test('a folder where the page is to be is no page to overwrite', async () => {
  const home = temporaryFolder()
  const out = join(home, 'r.html')
  mkdirSync(out)
  await assert.rejects(checkedPlace(out, true), { code: 'ERR_EXISTS', hint: /^It is no file/ })
})

test('a page that cannot have its place leaves what was there, or nothing', async () => {
  const home = temporaryFolder()
  const place = { page: join(home, 'r.html'), files: join(home, 'r_files') }
  mkdirSync(join(place.page, 'in the way'), { recursive: true })
  const refused = () => assert.rejects(publish(place, '<p>', attachment('new')), { code: 'ERR_IO' })
  await refused()
  assert.deepEqual(readdirSync(home), ['r.html'])

  const other = join(home, 'other.html')
  await publish({ ...place, page: other }, '<p>', attachment('old'))
  await refused()
  assert.deepEqual(readdirSync(home).sort(), ['other.html', 'r.html', 'r_files'])
  assert.equal(readFileSync(join(place.files, 'report.json'), 'utf8'), 'old')
})

test('two reports on their way to one place: each is whole, or refused', async () => {
  const home = temporaryFolder()
  const place = { page: join(home, 'r.html'), files: join(home, 'r_files') }
  const parts = Array.from({ length: 20 }, (_, i) => `part-${i}`)
  const write = (name) =>
    publish(place, name, [
      ...attachment(name),
      ...parts.map((part) => ({ name: `${name}-${part}`, content: part })),
    ])
  const names = ['first', 'second', 'third']
  const ends = await Promise.allSettled(names.map(write))
  for (const { reason } of ends.filter(({ status }) => status === 'rejected'))
    assert.equal(reason.code, 'ERR_IO')
  assert.ok(ends.some(({ status }) => status === 'fulfilled'))
  const name = readFileSync(join(place.files, 'report.json'), 'utf8')
  assert.deepEqual(
    readdirSync(place.files).sort(),
    ['report.json', ...parts.map((part) => `${name}-${part}`)].sort(),
  )
  assert.deepEqual(readdirSync(home).sort(), ['r.html', 'r_files'])
})
