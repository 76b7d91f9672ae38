import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { anotherLibtorch } from '#lib/addon/another_libtorch'
import { checkFit, findCudaLibtorch, findLibtorch, missingCuda } from '#lib/libtorch'
import {
  cachedLibtorchs,
  cacheFolder,
  namedLibtorch,
  pythonLibtorch,
  readLibtorch,
} from '#lib/libtorch_folders'
import { clone, emptyFolder } from '../helpers/cli.mjs'

/** What the search looks at in a torch folder; no library in it is ever opened here. */
function makeTorch(path, version, cuda = null) {
  mkdirSync(join(path, 'lib'), { recursive: true })
  writeFileSync(join(path, 'lib', 'libtorch_cpu.so'), '')
  writeFileSync(join(path, '__init__.py'), 'raise RuntimeError("the search imports nothing")\n')
  const cudaText = cuda === null ? 'None' : `'${cuda}'`
  writeFileSync(
    join(path, 'version.py'),
    `__version__ = '${version}'\ndebug = False\ncuda: Optional[str] = ${cudaText}\n`,
  )
  return path
}

beforeEach(() => {
  process.env.TONGUEFORGE_CACHE = emptyFolder()
  delete process.env.LIBTORCH
})

test('a torch folder tells its version and CUDA without being imported', () => {
  const path = makeTorch(join(emptyFolder(), 'torch'), '2.13.0+cu130', '13.0')
  assert.deepEqual(readLibtorch(path, 'LIBTORCH'), {
    path,
    version: '2.13.0+cu130',
    cuda: '13.0',
    source: 'LIBTORCH',
  })
})

test("the folder above it will do, and so will libtorch's zip", () => {
  const site = emptyFolder()
  makeTorch(join(site, 'torch'), '2.14.1')
  assert.equal(readLibtorch(site, 'cache').path, join(site, 'torch'))
  const zip = emptyFolder()
  mkdirSync(join(zip, 'lib'))
  writeFileSync(join(zip, 'lib', 'libtorch_cpu.so'), '')
  writeFileSync(join(zip, 'build-version'), '2.11.0+cu130\n')
  assert.deepEqual(readLibtorch(zip, 'cache'), {
    path: zip,
    version: '2.11.0+cu130',
    cuda: '13.0',
    source: 'cache',
  })
})

test('LIBTORCH of an unsupported version is refused', () => {
  process.env.LIBTORCH = makeTorch(emptyFolder(), '2.7.1')
  assert.throws(namedLibtorch, {
    code: 'ERR_LIBTORCH',
    message: 'LIBTORCH: expected libtorch 2.11, 2.13, 2.14, received 2.7.1',
  })
})

test("Python's torch is found without importing it, an unsupported one passed over", () => {
  const site = emptyFolder()
  makeTorch(join(site, 'torch'), '2.14.0+cpu')
  process.env.PYTHONPATH = site
  assert.equal(pythonLibtorch()?.version, '2.14.0+cpu')
  makeTorch(join(site, 'torch'), '2.6.0')
  assert.equal(pythonLibtorch(), undefined)
  delete process.env.PYTHONPATH
})

test('in the cache the version that the set-up fetches goes first', () => {
  assert.deepEqual(cachedLibtorchs(), [])
  makeTorch(join(cacheFolder(), 'libtorch-2.11.0', 'torch'), '2.11.0')
  assert.equal(cachedLibtorchs()[0].version, '2.11.0')
  makeTorch(join(cacheFolder(), 'libtorch-2.13.0', 'torch'), '2.13.0+cpu')
  assert.equal(cachedLibtorchs()[0].version, '2.13.0+cpu')
})

test('an addon for CUDA does not fall back to a libtorch for the CPU', () => {
  const record = { version: '0.1.0', torch_version: '2.13.0', torch_path: '', cuda: true }
  const libtorch = { path: '', version: '2.13.0+cpu', cuda: null, source: 'cache' }
  const refused = (addon, found, hint) =>
    assert.throws(() => checkFit(addon, found), { code: 'ERR_LIBTORCH', message: /built for CUDA/, hint })
  refused({ path: '', record }, libtorch, /^set LIBTORCH to a libtorch with CUDA; or npm run build/)
  const installed = { path: '', record, package: 'one' }
  const fetches = 'npx tongueforge setup --cuda fetches a libtorch 2.13 with CUDA'
  refused(installed, libtorch, fetches)
  refused(
    installed,
    { ...libtorch, source: 'LIBTORCH' },
    `point LIBTORCH at a libtorch 2.13 with CUDA; or unset it: ${fetches}`,
  )
})

test('a build for CUDA passes over libtorchs for the CPU, and takes one of the cache that has CUDA', () => {
  process.env.PYTHONPATH = emptyFolder()
  makeTorch(join(process.env.PYTHONPATH, 'torch'), '2.14.0+cpu')
  makeTorch(join(cacheFolder(), 'libtorch-2.13.0', 'torch'), '2.13.0+cpu')
  assert.equal(findCudaLibtorch(), undefined)
  makeTorch(join(cacheFolder(), 'libtorch-2.13.0-cuda', 'torch'), '2.13.0+cu130', '13.0')
  assert.equal(findCudaLibtorch().version, '2.13.0+cu130')
  assert.equal(cachedLibtorchs()[0].version, '2.13.0+cpu')
  delete process.env.PYTHONPATH
})

test('of several in the cache the one that fits the addon is taken, by version and by CUDA', () => {
  process.env.PYTHONPATH = emptyFolder()
  makeTorch(join(process.env.PYTHONPATH, 'torch'), '2.6.0') // no supported version
  process.env.TONGUEFORGE_ADDON = join(emptyFolder(), 'none.node')
  const versions = { '2.11.0': null, '2.13.0': null, '2.13.0-cuda': '13.0', '2.14.0-cuda': '13.0' }
  for (const [name, cuda] of Object.entries(versions))
    makeTorch(join(cacheFolder(), `libtorch-${name}`, 'torch'), name.split('-')[0], cuda)
  const told = (found) => [found.version, found.cuda]
  const wanted = (torch_version, cuda = false) => ({ torch_version, cuda })
  assert.deepEqual(told(findLibtorch()), ['2.13.0', null])
  assert.deepEqual(told(findLibtorch(wanted('2.11.0'))), ['2.11.0', null])
  assert.deepEqual(told(findLibtorch(wanted('2.13.1', true))), ['2.13.0', '13.0'])
  assert.deepEqual(told(findLibtorch(wanted('2.14.0'))), ['2.14.0', '13.0'], 'CUDA does no harm')
  assert.deepEqual(told(findLibtorch(wanted('2.11.0', true))), ['2.11.0', null], 'the error tells of CUDA')
  assert.deepEqual(told(findCudaLibtorch(wanted('2.14.0', true))), ['2.14.0', '13.0'])
  delete process.env.PYTHONPATH
  delete process.env.TONGUEFORGE_ADDON
})

test('where none has CUDA, the error names what was found and how to get one', () => {
  process.env.PYTHONPATH = emptyFolder()
  const place = makeTorch(join(cacheFolder(), 'libtorch-2.13.0', 'torch'), '2.13.0+cpu')
  makeTorch(join(process.env.PYTHONPATH, 'torch'), '2.6.0+cu124', '12.4') // no supported version
  const { code, message, hint } = missingCuda()
  assert.equal(code, 'ERR_LIBTORCH')
  assert.equal(
    message,
    `--cuda: expected a libtorch with CUDA, found 2.13.0+cpu for the CPU (cache: ${place})`,
  )
  assert.match(
    hint,
    /^set LIBTORCH .*; or fetch one: TONGUEFORGE_TORCH_INDEX=https:\S+ npx tongueforge setup --cuda$/,
  )
  delete process.env.PYTHONPATH
})

test('a build for CUDA refuses a LIBTORCH for the CPU', () => {
  process.env.LIBTORCH = makeTorch(emptyFolder(), '2.11.0+cpu')
  assert.throws(findCudaLibtorch, {
    code: 'ERR_LIBTORCH',
    message: /found 2\.11\.0\+cpu for the CPU \(LIBTORCH: /,
    hint: /^point LIBTORCH at .* with CUDA; or unset it, and fetch one: TONGUEFORGE_TORCH_INDEX=/,
  })
})

test('the way to another libtorch depends on where the one that will not do came from', () => {
  const cached = join(cacheFolder(), 'libtorch-2.13.0', 'torch')
  const way = (source, path = '/torch', cuda = null) =>
    anotherLibtorch({ source, path, version: '2.13.0+cpu', cuda })
  assert.equal(way('LIBTORCH', cached), 'unset LIBTORCH, or point it at a whole libtorch 2.13')
  assert.equal(
    way('LIBTORCH', '/torch', '13.0'),
    'unset LIBTORCH, or point it at a whole libtorch 2.13 with the libraries of CUDA 13.0 that it needs',
  )
  assert.match(
    way('python'),
    /^install torch anew .*--force-reinstall torch==2\.13\.0\), or set LIBTORCH to a whole/,
  )
  const clean = 'npx tongueforge setup --clean, then npx tongueforge setup'
  assert.equal(way('cache', cached), clean)
  assert.equal(way('cache', cached, '13.0'), `${clean} --cuda`)
  assert.equal(way('build', cached), clean)
  assert.equal(way('build'), 'set LIBTORCH to a whole libtorch 2.13')
})

test('npm run build -- --cuda ends with that error, and builds nothing', () => {
  const LIBTORCH = makeTorch(emptyFolder(), '2.11.0+cpu')
  const { status, stderr } = spawnSync(process.execPath, [join(clone, 'scripts/build.mjs'), '--cuda'], {
    encoding: 'utf8',
    env: { ...process.env, LIBTORCH },
  })
  assert.equal(status, 1)
  assert.match(
    stderr,
    /error: --cuda: expected a libtorch with CUDA, found 2\.11\.0\+cpu .*\n {2}hint: point LIBTORCH/,
  )
  assert.doesNotMatch(stderr, /native build/)
})
