// Failures of writing: codes, the file, the bytes that were to come; and that all of lib writes in this way.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { copyFile, mkdir, rename, rm, rmdir, writeFailed, writeFile } from '#lib/writes'
import { clone } from './helpers/cli.mjs'
import { temporaryFolder } from './helpers/folders.mjs'

const home = temporaryFolder({ 'a.txt': 'a', 'folder/b.txt': 'b' })
const place = (...names) => join(home, ...names)
const failure = (name) => Object.assign(new Error(name), { errno: -constants.errno[name] })

test('a full disk and a used-up quota are ERR_NO_SPACE with the bytes, another failure is ERR_IO', () => {
  for (const name of ['ENOSPC', 'EDQUOT'])
    assert.throws(
      () => writeFailed('/d/file', 12)(failure(name)),
      ({ code, message, hint, details }) => {
        assert.equal(code, 'ERR_NO_SPACE')
        assert.equal(message, '/d/file: cannot be written (the disk is full, 12 bytes needed)')
        assert.match(hint, /Free space/)
        assert.deepEqual([details.file, details.bytes_needed], ['/d/file', 12])
        return true
      },
    )
  assert.throws(() => writeFailed('/d/file', 12)(failure('EIO')), { code: 'ERR_IO' })
})

test('what has a code keeps it', () => {
  let first
  try {
    writeFailed('/d/inner', 5)(failure('ENOSPC'))
  } catch (error) {
    first = error
  }
  assert.throws(() => writeFailed('/d/outer')(first), first)
})

test('each call names the path that it could not change', async () => {
  mkdirSync(place('taken'))
  writeFileSync(place('taken/in_it'), '')
  for (const [call, path] of [
    [() => writeFile(place('folder'), 'text'), place('folder')],
    [() => copyFile(place('a.txt'), place('a.txt/b')), place('a.txt/b')],
    [() => mkdir(place('taken')), place('taken')],
    [() => rename(place('none'), place('b')), place('b')],
    [() => rm(place('none')), place('none')],
    [() => rmdir(place('taken')), place('taken')],
  ])
    await assert.rejects(call, ({ code, message, hint, details }) => {
      assert.equal(code, 'ERR_IO')
      assert.ok(message.startsWith(`${path}: `), message)
      assert.ok(hint)
      assert.equal(details.file, path)
      return true
    })
})

const ioErrorOf = (path) => (error) => error.code === 'ERR_IO' && error.details.file === path

test('folders are made with those around them, also where some are there, and not through a file', async () => {
  await mkdir(place('new/one/two'), { recursive: true })
  await mkdir(place('new/one/two'), { recursive: true })
  await mkdir(place('new/one/three'), { recursive: true })
  assert.deepEqual(readdirSync(place('new/one')), ['three', 'two'])
  for (const path of [place('a.txt'), place('a.txt/b'), place('a.txt/b/c')])
    await assert.rejects(mkdir(path, { recursive: true }), ioErrorOf(path))
})

test('a place where no folder can be made is told, where Node would try for ever', {
  skip: process.platform !== 'linux' && 'Linux only',
  timeout: 60_000,
}, async () => {
  const path = '/proc/nowhere/hashes'
  await assert.rejects(mkdir(path, { recursive: true }), ioErrorOf(path))
})

test('no other file of lib takes a call that changes the disk from Node, but for the set-up', () => {
  const changing = Object.keys({ copyFile, mkdir, rename, rm, rmdir, writeFile }).join('|')
  const imported = new RegExp(
    `import \\{[^}]*\\b(${changing}|appendFile|link|cp|mkdtemp)\\b[^}]*\\} from 'node:fs/promises'`,
  )
  const found = readdirSync(join(clone, 'lib'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && name !== 'writes.ts' && !name.startsWith('setup/'))
    .filter((name) => imported.test(readFileSync(join(clone, 'lib', name), 'utf8')))
  assert.deepEqual(found, [])
})
