import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { smallClone } from '../helpers/small_clone.mjs'

const setUp = (small, before = '') => small.run('setup', `${before}\nawait script.setUpLibtorch()`)
const LIBRARY = 'lib/libtorch.ts'

test('TypeScript is compiled once, and again after tsc compiled sources that are gone', () => {
  const small = smallClone()
  assert.match(setUp(small).err, /TypeScript +compiling/)
  assert.match(setUp(small).err, /TypeScript +up to date/)
  const before = small.read(LIBRARY)
  small.write(LIBRARY, `${before}export const added = 1\n`)
  spawnSync(process.execPath, ['node_modules/typescript/bin/tsc'], { cwd: small.folder })
  small.write(LIBRARY, before)
  assert.match(setUp(small).err, /TypeScript +compiling/)
  assert.doesNotMatch(small.read('dist/libtorch.js'), /added/)
})

test('a Node that is too old is refused before anything is done, whichever script begins', () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })`
  const { code, err } = setUp(smallClone(), old)
  assert.equal(code, 1)
  assert.match(err, /expected Node 20 or newer/)
  assert.doesNotMatch(err, /dependencies/)
})
