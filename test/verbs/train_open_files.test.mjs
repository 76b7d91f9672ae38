// The files behind the rows of a run are closed, however it ends.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'

const OPEN = '/proc/self/fd'

test('a run that is refused when its data are open leaves no file open', {
  skip: !existsSync(OPEN) && 'this system does not list open files',
}, async () => {
  const root = temporaryFolder()
  const base = await tinyTraining(root)
  const openFiles = () =>
    readdirSync(OPEN).filter((file) => {
      try {
        return readlinkSync(join(OPEN, file)).startsWith(base.data_cache)
      } catch {
        return false // that of the listing itself
      }
    })
  const cases = [
    ['ERR_NOT_FOUND', { eval: { every: 10, data: [{ path: join(root, 'none.txt') }] } }],
    ['ERR_OUT_OF_MEMORY', { init: { ...base.init, vocab_size: 2 ** 24, hidden_size: 2 ** 16 } }],
  ]
  for (const [i, [code, changes]] of cases.entries()) {
    const config = { ...base, ...changes, out: join(root, `run-${i}`) }
    await assert.rejects(train(config).result, (error) => {
      assert.equal(error.code, code, error.message)
      return true
    })
    assert.deepEqual(openFiles(), [], code)
  }
})
