import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { namesIn } from '#lib/checkpoint/names_in'
import { temporaryFolder } from '../helpers/folders.mjs'

test('a folder that is not there holds nothing, one that cannot be listed is an error', async () => {
  const home = temporaryFolder({ 'a.txt': 'a', 'b.txt': 'b' })
  assert.deepEqual((await namesIn(home)).sort(), ['a.txt', 'b.txt'])
  for (const nothing of ['none', 'a.txt', 'a.txt/b']) assert.deepEqual(await namesIn(join(home, nothing)), [])
  const long = join(home, 'x'.repeat(300))
  await assert.rejects(namesIn(long), { code: 'ERR_IO', message: `${long}: cannot be read (ENAMETOOLONG)` })
})
