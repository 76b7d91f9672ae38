// Unfinished work in folders that processes share: what could not be deleted goes with the next work there.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from './helpers/folders.mjs'

let refuses = false
const { rmdir } = fs
fs.rmdir = (path, done) =>
  refuses ? done(Object.assign(new Error('EIO'), { code: 'EIO' })) : rmdir(path, done)
const { removeWork, workFolder } = await import('#lib/work_paths')

test('work that could not be deleted goes when the next begins; what another is at stays', async () => {
  const home = temporaryFolder()
  const [done, underWay] = [await workFolder(home), await workFolder(home)]
  refuses = true
  await removeWork(done)
  refuses = false
  assert.equal(fs.readdirSync(home).length, 2)
  const next = await workFolder(home)
  assert.deepEqual(
    fs
      .readdirSync(home)
      .map((name) => join(home, name))
      .sort(),
    [underWay, next].sort(),
  )
})
