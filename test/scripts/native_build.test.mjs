import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { smallClone } from '../helpers/small_clone.mjs'

const missing = ['cmake', 'ninja', 'c++'].filter((name) => spawnSync(name, ['--version']).error)
const BUILD = { skip: missing.length > 0 && `no ${missing.join(', ')}`, timeout: 120_000 }
const CORE = 'native/core/version.cpp'

function build(small, libtorch = small.libtorch, env = {}) {
  const options = JSON.stringify({ libtorch })
  const code = `const note = await script.buildNative(${options}, () => {}).catch((error) => error.message)
    console.log(JSON.stringify({ note, upToDate: script.nativeUpToDate(${options}) }))`
  const { out, err } = small.run('native_build', code, { CXX: undefined, ...env })
  return { ...JSON.parse(out || assert.fail(err)), err }
}

function upToDate(small, libtorch = small.libtorch, env = {}) {
  const code = `console.log(script.nativeUpToDate(${JSON.stringify({ libtorch })}))`
  const { out, err } = small.run('native_build', code, { CXX: undefined, ...env })
  return JSON.parse(out || assert.fail(err))
}

const record = (small) => JSON.parse(small.read('build/Release/tongueforge.json'))
const ninja = (small) => spawnSync('ninja', { cwd: join(small.folder, 'build'), encoding: 'utf8' })

test('a build that is done is up to date until a source changes', BUILD, () => {
  const small = smallClone()
  assert.equal(upToDate(small), false)
  assert.equal(build(small).upToDate, true)
  assert.match(ninja(small).stdout, /no work to do/)
  small.write(CORE, `${small.read(CORE)}// a comment\n`)
  assert.equal(upToDate(small), false)
})

test('a new version in package.json is built into the addon, by npm run build and by ninja', BUILD, () => {
  const small = smallClone()
  build(small)
  const release = (version) => {
    const manifest = JSON.parse(small.read('package.json'))
    small.write('package.json', JSON.stringify({ ...manifest, version }))
  }
  release('7.0.0')
  assert.equal(upToDate(small), false)
  build(small)
  assert.equal(record(small).version, '7.0.0')
  assert.ok(small.read('build/Release/tongueforge.node').includes('7.0.0'))
  release('8.0.0')
  ninja(small)
  assert.equal(record(small).version, '8.0.0')
})

test('a build that fails leaves the addon of before with its own record', BUILD, () => {
  const small = smallClone()
  build(small)
  const sound = small.read(CORE)
  small.write(CORE, 'this is no C++\n')
  const newer = small.addTorch('newer', { version: '2.14.0' })
  assert.equal(build(small, newer).note, 'the native build failed')
  assert.ok(existsSync(join(small.folder, 'build/Release/tongueforge.node')))
  assert.deepEqual([record(small).torch_version, record(small).torch_path], ['2.13.0', small.libtorch.path])
  small.write(CORE, sound)
  assert.equal(build(small, newer).upToDate, true)
  assert.deepEqual([record(small).torch_version, record(small).torch_path], ['2.14.0', newer.path])
})

test('a libtorch in a folder with a quote in its name is recorded', BUILD, () => {
  const small = smallClone()
  const quoted = small.addTorch('a "quoted" folder/torch', {})
  assert.equal(build(small, quoted).upToDate, true)
  assert.equal(record(small).torch_path, quoted.path)
})

test('what ninja built of sources that are gone again is not up to date', BUILD, () => {
  const small = smallClone()
  build(small)
  const before = small.read(CORE)
  small.write(CORE, before.replace('TONGUEFORGE_VERSION', '"another"'))
  ninja(small)
  small.write(CORE, before)
  assert.equal(upToDate(small), false)
})

/** An nvcc that can compile nothing, and leaves a file when it is asked. */
function brokenNvcc(small, name) {
  small.write(name, `#!/bin/sh\necho asked > ${join(small.folder, name)}.log\nexit 1\n`)
  chmodSync(join(small.folder, name), 0o755)
  return join(small.folder, name)
}

test('warnings of CMake are shown and counted, and a later nvcc is noticed', BUILD, () => {
  const small = smallClone({ cuda: true })
  const first = build(small, small.libtorch, { CUDACXX: join(small.folder, 'none') })
  assert.match(first.err, /CMake Warning at cmake\/cuda\.cmake:\d+ \(message\):\n {2}No nvcc on the PATH/)
  assert.equal(first.note, '1 warning (build/build.log)')
  assert.match(small.read('build/build.log'), /No nvcc on the PATH/)
  const later = { CUDACXX: brokenNvcc(small, 'nvcc') }
  assert.equal(upToDate(small, small.libtorch, later), false)
  build(small, small.libtorch, later)
  assert.ok(existsSync(`${later.CUDACXX}.log`), 'CMake asks it')
})

test('another compiler in CXX builds anew, and so does none', BUILD, () => {
  const small = smallClone()
  build(small)
  const chosen = () => /^CMAKE_CXX_COMPILER:\w+=(.*)$/m.exec(small.read('build/CMakeCache.txt'))[1]
  const usual = chosen()
  small.write('other', '#!/bin/sh\nexec c++ "$@"\n')
  const CXX = join(small.folder, 'other')
  chmodSync(CXX, 0o755)
  assert.equal(upToDate(small, small.libtorch, { CXX }), false)
  assert.equal(build(small, small.libtorch, { CXX }).upToDate, true)
  assert.equal(chosen(), CXX)
  assert.equal(build(small).upToDate, true)
  assert.equal(chosen(), usual)
})
