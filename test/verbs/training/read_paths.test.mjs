// Which of the files that a run reads lie in a folder that is to be replaced.
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathsWithin } from '#lib/verbs/training/read_paths'
import { temporaryFolder } from '../../helpers/folders.mjs'

test('what lies in a folder is found through links to it, and to what is in it', async () => {
  const root = temporaryFolder()
  const [real, link] = ['real', 'link'].map((name) => join(root, name))
  mkdirSync(join(real, 'best'), { recursive: true })
  const text = join(real, 'best/text.txt')
  writeFileSync(text, 'a text')
  symlinkSync(real, link)
  symlinkSync(text, join(root, 'elsewhere.txt'))
  const read = [text, join(link, 'best/text.txt'), join(root, 'elsewhere.txt')]
  for (const folder of [join(real, 'best'), join(link, 'best')])
    assert.deepEqual(await pathsWithin(folder, [...read, join(real, 'bestof.txt'), real]), read)
  assert.deepEqual(await pathsWithin(join(root, 'none'), [...read, join(root, 'none/none.txt')]), [
    join(root, 'none/none.txt'),
  ])
})
