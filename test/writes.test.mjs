// Failures of writing: codes, the file, the bytes that were to come; and that all of lib writes in this way.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import {
  copyFile,
  discard,
  makeFoldersNow,
  mkdir,
  rename,
  replaceFile,
  rm,
  rmdir,
  writeFailed,
  writeFile,
} from '#lib/writes'
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
    [() => copyFile(place('none'), place('b')), place('none')], // the one at fault, of two
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

test('a file is replaced whole, or left as it was with nothing beside it', async () => {
  mkdirSync(place('kept'))
  await replaceFile(place('kept/file'), 'old')
  await replaceFile(place('kept/file'), 'new')
  mkdirSync(place('kept/full/inner'), { recursive: true })
  await assert.rejects(replaceFile(place('kept/full'), 'text'), ioErrorOf(place('kept/full')))
  assert.deepEqual(readdirSync(place('kept')), ['file', 'full'])
  const none = place('kept/none/part')
  await assert.rejects(replaceFile(place('kept/file'), 'text', none), ioErrorOf(none))
  assert.equal(readFileSync(place('kept/file'), 'utf8'), 'new')
})

test('a folder that is to go is whole or gone, whatever stops its deletion', async () => {
  mkdirSync(place('going/model'), { recursive: true })
  writeFileSync(place('going/model/config.json'), '{}')
  const code = `
    const fs = require('node:fs')
    fs.rename = (from, to, done) => setImmediate(done, Object.assign(new Error('EIO'), { code: 'EIO' }))
    const { discard } = require(${JSON.stringify(join(clone, 'dist/writes.js'))})
    discard(process.argv[1]).catch(({ code }) => console.log(code, fs.readdirSync(process.argv[1]).join()))`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', code, place('going/model')], {
    encoding: 'utf8',
  })
  assert.equal(stdout, 'ERR_IO config.json\n', stderr)

  mkdirSync(place('going/.trash-model/of an earlier try'), { recursive: true })
  await discard(place('going/model'))
  assert.deepEqual(readdirSync(place('going')), [])
  mkdirSync(place('going/.trash-model/of an earlier try'), { recursive: true })
  await discard(place('going/model')) // is not there
  assert.deepEqual(readdirSync(place('going')), [])
})

test('once a deletion has failed nothing more is deleted', () => {
  for (const name of ['a', 'b', 'c/d', 'e']) {
    mkdirSync(dirname(place('tree', name)), { recursive: true })
    writeFileSync(place('tree', name), '')
  }
  const code = `
    const fs = require('node:fs')
    const { unlink } = fs
    const eio = Object.assign(new Error('EIO'), { code: 'EIO' })
    fs.unlink = (path, done) => (path.endsWith('/b') ? setImmediate(done, eio) : unlink(path, done))
    const { rm } = require(${JSON.stringify(join(clone, 'dist/writes.js'))})
    const left = () => fs.readdirSync(process.argv[1], { recursive: true }).sort().join()
    rm(process.argv[1], { recursive: true }).catch(({ code }) => {
      const first = left()
      setTimeout(() => console.log(code, first, left()), 50)
    })`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', code, place('tree')], { encoding: 'utf8' })
  const [failed, first, later] = stdout.trim().split(' ')
  assert.equal(failed, 'ERR_IO', stderr)
  assert.equal(first, later)
  assert.ok(first.split(',').includes('b'), first)
})

test('what is not there is deleted with force alone, and links are not followed', async () => {
  await assert.rejects(rm(place('nothing'), { recursive: true }), ioErrorOf(place('nothing')))
  await rm(place('nothing'), { recursive: true, force: true })
  mkdirSync(place('linking'))
  symlinkSync(place('folder'), place('linking/folder'))
  await rm(place('linking'), { recursive: true })
  assert.ok(readdirSync(home).includes('folder') && !readdirSync(home).includes('linking'))
  assert.deepEqual(readdirSync(place('folder')), ['b.txt'])
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

test('the same at once, for the addon and for the scripts of a clone', async () => {
  const { makeFolders } = await import('../scripts/steps.mjs')
  for (const [name, make] of Object.entries({ makeFoldersNow, makeFolders })) {
    make(place(name, 'one/two'))
    make(place(name, 'one/two'))
    make(place(name, 'one/three'))
    assert.deepEqual(readdirSync(place(name, 'one')), ['three', 'two'])
    symlinkSync('nowhere', place(name, 'dangling'))
    for (const path of ['a.txt', 'a.txt/b', 'a.txt/b/c', `${name}/dangling/a`])
      assert.throws(() => make(place(path)), /E(EXIST|NOTDIR|NOENT)/, path)
  }
  assert.throws(() => makeFoldersNow(place('a.txt/b')), ioErrorOf(place('a.txt/b')))
})

const PROC = { skip: process.platform !== 'linux' && 'Linux only', timeout: 60_000 }

test('a place where no folder can be made is told, where Node would try for ever', PROC, async () => {
  const path = '/proc/nowhere/hashes'
  await assert.rejects(mkdir(path, { recursive: true }), ioErrorOf(path))
  // What holds its thread for ever is tried in a process that can be ended.
  const steps = pathToFileURL(join(clone, 'scripts/steps.mjs'))
  for (const [file, name] of [
    [pathToFileURL(join(clone, 'dist/writes.js')), 'makeFoldersNow'],
    [steps, 'makeFolders'],
  ]) {
    const code = `import(${JSON.stringify(file.href)}).then((made) => made.${name}(${JSON.stringify(path)})).catch(({ message }) => console.log(message))`
    const { stdout, signal } = spawnSync(process.execPath, ['-e', code], { timeout: 30_000 })
    assert.equal(signal, null, `${name} did not end`)
    assert.match(String(stdout), /ENOENT/, name)
  }
})

test('no script of a clone makes folders by the recursion of Node', () => {
  const found = readdirSync(join(clone, 'scripts'), { recursive: true })
    .filter((name) => name.endsWith('.mjs'))
    .filter((name) =>
      /\bmkdir(Sync)?\([^\n]*recursive/.test(readFileSync(join(clone, 'scripts', name), 'utf8')),
    )
  assert.deepEqual(found, [])
})

const inLib = (matches, but) =>
  readdirSync(join(clone, 'lib'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !but.includes(name))
    .filter((name) => matches.test(readFileSync(join(clone, 'lib', name), 'utf8')))

test('no other file of lib takes a call that changes the disk from Node', () => {
  const changing = Object.keys({ copyFile, mkdir, rename, rm, rmdir, writeFile }).join('|')
  const imported = new RegExp(
    `import \\{[^}]*\\b(${changing}|appendFile|link|symlink|cp|mkdtemp)\\b[^}]*\\} from 'node:fs'`,
  )
  assert.deepEqual(inLib(imported, ['writes.ts']), [])
})

test("no file of lib takes Node's promises of files, which a thread that is terminated leaves open", () => {
  assert.deepEqual(inLib(/node:fs\/promises|fs\.promises/, ['files.ts', 'writes.ts']), [])
})
