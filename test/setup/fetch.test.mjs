// The whole way of a wheel into the cache, with real pip and small wheels made here: no network is asked.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeEach, test } from 'node:test'
import { cachedLibtorchs, cacheFolder, readLibtorch } from '#lib/libtorch_folders'
import { fetchLibtorch } from '#lib/setup/fetch_libtorch'
import { cleanCache, libtorchFrom } from '#lib/setup/index'
import { pipFailure } from '#lib/setup/pip'
import { versionAmong } from '#lib/setup/wheels_folder'
import { workFolder } from '#lib/work_paths'
import { emptyFolder } from '../helpers/cli.mjs'
import { makeWheel, torchFiles } from '../helpers/wheels.mjs'

beforeEach(() => {
  process.env.TONGUEFORGE_CACHE = join(emptyFolder(), 'cache')
  delete process.env.LIBTORCH
})

const leftovers = () => readdirSync(cacheFolder()).filter((name) => name.startsWith('.tmp-'))

test('a wheel is unpacked into the cache and found there, with its progress told', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles(), { requires: ['sympy>=1'] })
  const steps = []
  const found = await libtorchFrom(wheels, { onProgress: ({ step }) => steps.push(step) })
  assert.deepEqual(found, {
    path: join(cacheFolder(), 'libtorch-2.13.0', 'torch'),
    version: '2.13.0',
    cuda: null,
    source: 'cache',
  })
  assert.ok(existsSync(join(found.path, 'lib', 'libgomp.so.1')))
  assert.deepEqual(leftovers(), [])
  assert.ok(steps.includes('unpacking') && steps.includes('checking the libraries'), steps.join())
  assert.deepEqual(await cleanCache(), [join(cacheFolder(), 'libtorch-2.13.0')])
  assert.equal(existsSync(found.path), false)
})

test('a cache in a place where no folder can be made is told', {
  skip: process.platform !== 'linux' && 'Linux only',
  timeout: 60_000,
}, async () => {
  process.env.TONGUEFORGE_CACHE = '/proc/nowhere/cache'
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  await assert.rejects(libtorchFrom(wheels), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_IO')
    assert.equal(message, '/proc/nowhere/cache: cannot be written (ENOENT)')
    assert.match(hint, /permissions/)
    return true
  })
})

test('a CUDA build brings the CUDA libraries that it names, and nothing else', async () => {
  const wheels = emptyFolder()
  const requires = [
    'nvidia-runtime==13.0; platform_system == "Linux"',
    'triton==3.9; platform_system == "Linux"',
    'nvidia-other==1; extra == "all"',
  ]
  makeWheel(wheels, 'torch', '2.13.0', torchFiles('13.0'), { requires })
  makeWheel(wheels, 'nvidia-runtime', '13.0', { 'nvidia/cu13/lib/libcudart.so.13': 'cuda' })
  const { path, cuda } = await libtorchFrom(wheels)
  assert.equal(cuda, '13.0')
  assert.ok(existsSync(join(path, '../nvidia/cu13/lib/libcudart.so.13')))
})

test('a fetched libtorch with CUDA lies beside one for the CPU; where the index has none, the cache stays as it was', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  await libtorchFrom(wheels)
  await assert.rejects(libtorchFrom(wheels, { cuda: true }), {
    code: 'ERR_LIBTORCH',
    message: `--cuda: expected a libtorch with CUDA, found 2.13.0 for the CPU (cache: ${wheels})`,
  })
  assert.deepEqual(readdirSync(cacheFolder()), ['libtorch-2.13.0'])
  const withCuda = emptyFolder()
  makeWheel(withCuda, 'torch', '2.13.0', torchFiles('13.0'), { requires: ['nvidia-runtime==13.0'] })
  makeWheel(withCuda, 'nvidia-runtime', '13.0', { 'nvidia/cu13/lib/libcudart.so.13': 'cuda' })
  const { path } = await libtorchFrom(withCuda, { cuda: true })
  assert.equal(path, join(cacheFolder(), 'libtorch-2.13.0-cuda', 'torch'))
  assert.deepEqual(readdirSync(cacheFolder()).sort(), ['libtorch-2.13.0', 'libtorch-2.13.0-cuda'])
})

test('a library that differs from its recorded hash is refused, and the cache stays empty', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles(), {
    recorded: { 'torch/lib/libgomp.so.1': 'other bytes' },
  })
  await assert.rejects(libtorchFrom(wheels), {
    code: 'ERR_LIBTORCH',
    message: /libgomp\.so\.1: expected SHA-256 \S+, received \S+/,
  })
  assert.deepEqual(readdirSync(cacheFolder()), [])
})

test('a CUDA build without the CUDA libraries is told with what the folder holds, and how to fill it', async () => {
  const wheels = emptyFolder()
  const requires = ['nvidia-runtime==13.0; platform_system == "Linux"']
  makeWheel(wheels, 'torch', '2.13.0', torchFiles('13.0'), { requires })
  await assert.rejects(libtorchFrom(wheels), ({ code, message, hint }) => {
    assert.equal(code, 'ERR_LIBTORCH')
    assert.equal(
      message,
      `${wheels} has no wheel of nvidia-runtime==13.0 for this Python and machine; it holds torch-2.13.0-py3-none-any.whl`,
    )
    assert.match(
      hint,
      /pip download torch==2\.13\.0 --dest downloads --no-deps --index-url https:\S+\/cpu \(for the CPU\)/,
    )
    return true
  })
  assert.deepEqual(readdirSync(cacheFolder()), [])
})

test('of wheels the version is taken that would be fetched, else the newest that fits', async () => {
  const names = (...versions) => versions.map((one) => `torch-${one}-cp311-cp311-manylinux_2_28_x86_64.whl`)
  assert.equal(versionAmong(names('2.11.0', '2.13.0+cpu', '2.14.1')), '2.13.0')
  assert.equal(versionAmong(names('2.11.0', '2.14.2', '2.14.10', '2.15.0')), '2.14.10')
  assert.equal(versionAmong(names('2.13.0', '2.14.0'), '2.14.1'), '2.14.0')
  assert.throws(() => versionAmong([...names('2.13.0'), 'torchaudio-2.14.0.whl'], '2.14.0'), {
    code: 'ERR_LIBTORCH',
    message: '--from: expected a wheel of torch 2.14, found 2.13.0',
    hint: /pip download torch==2\.14\.0 /,
  })
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.14.0', torchFiles(undefined, '2.14.0'))
  const { path, version } = await libtorchFrom(wheels)
  assert.deepEqual([path, version], [join(cacheFolder(), 'libtorch-2.14.0', 'torch'), '2.14.0'])
})

test('wheels that are named replace the libtorch in the cache, unless they will not do', async () => {
  const [cpu, cuda] = [emptyFolder(), emptyFolder()]
  makeWheel(cpu, 'torch', '2.13.0', torchFiles())
  makeWheel(cuda, 'torch', '2.13.0', torchFiles('13.0'), { requires: ['nvidia-runtime==13.0'] })
  makeWheel(cuda, 'nvidia-runtime', '13.0', { 'nvidia/cu13/lib/libcudart.so.13': 'cuda' })
  const first = await libtorchFrom(cpu)
  const second = await libtorchFrom(cuda)
  assert.deepEqual(second, { ...first, cuda: '13.0' })
  assert.deepEqual(readLibtorch(first.path, 'cache'), second)
  assert.ok(existsSync(join(second.path, '../nvidia/cu13/lib/libcudart.so.13')))
  const unfit = new Error('unfit')
  const check = () => {
    throw unfit
  }
  await assert.rejects(fetchLibtorch({ wheels: cpu, check }), unfit)
  assert.deepEqual(readLibtorch(first.path, 'cache'), second)
  assert.deepEqual(readdirSync(cacheFolder()), ['libtorch-2.13.0'])
})

test('a wheel of torch that holds no libtorch is told, and the cache stays as it was', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', { 'torch/version.py': "__version__ = '2.13.0'\n" })
  await assert.rejects(libtorchFrom(wheels), {
    code: 'ERR_LIBTORCH',
    message: `${wheels}: its wheel of torch holds no libtorch`,
  })
  assert.deepEqual(readdirSync(cacheFolder()), [])
})

test('two fetches at once both end with the one libtorch', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  const [one, two] = await Promise.all([libtorchFrom(wheels), libtorchFrom(wheels)])
  assert.deepEqual(one, two)
  assert.deepEqual(readdirSync(cacheFolder()), ['libtorch-2.13.0'])
})

test('an aborted fetch rejects with the reason and leaves nothing', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  const reason = new Error('enough')
  const abort = new AbortController()
  const fetching = libtorchFrom(wheels, { signal: abort.signal, onProgress: () => abort.abort(reason) })
  await assert.rejects(fetching, reason)
  assert.deepEqual(readdirSync(cacheFolder()), [])
})

test('what a killed fetch left is removed by the next one; what one in another container makes, by cleaning alone', async () => {
  const ours = basename(await workFolder(cacheFolder()))
  const dead = ours.replace(`-${process.pid}-`, '-999999999-')
  // A container of this name: its processes have numbers that mean nothing here.
  const theirs = dead.replace(/^\.tmp-[0-9a-f]{12}/, '.tmp-0123456789ab')
  for (const name of [dead, theirs]) mkdirSync(join(cacheFolder(), name))
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  await libtorchFrom(wheels)
  assert.deepEqual(leftovers().sort(), [ours, theirs].sort())
  await cleanCache()
  assert.deepEqual(leftovers(), [])
})

test('a libtorch folder is linked, and cleaning removes the link alone', async () => {
  const site = emptyFolder()
  for (const [path, content] of Object.entries(torchFiles())) {
    mkdirSync(dirname(join(site, path)), { recursive: true })
    writeFileSync(join(site, path), content)
  }
  const { path } = await libtorchFrom(site)
  assert.equal(path, join(cacheFolder(), 'libtorch-2.13.0', 'torch'))
  await cleanCache()
  assert.ok(existsSync(join(site, 'torch', 'version.py')))
})

test('a libtorch that lies in the cache, or that the cache links to, may be named and stays', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  const fetched = await libtorchFrom(wheels)
  const place = dirname(fetched.path)
  for (const from of [place, fetched.path]) {
    assert.deepEqual(await libtorchFrom(from), fetched)
    assert.ok(existsSync(join(fetched.path, 'lib', 'libtorch_cpu.so')), from)
  }
  const elsewhere = join(emptyFolder(), 'site')
  renameSync(place, elsewhere)
  await libtorchFrom(elsewhere)
  for (const from of [place, fetched.path]) {
    assert.deepEqual(await libtorchFrom(from), fetched)
    assert.equal(readlinkSync(fetched.path), join(elsewhere, 'torch'), from)
  }
})

test('a machine without glibc, or a file where the cache would be, is told before anything is fetched', async () => {
  const wheels = emptyFolder()
  makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  const { getReport } = process.report
  process.report.getReport = () => ({ header: {} })
  await assert.rejects(libtorchFrom(wheels), {
    code: 'ERR_PLATFORM',
    message: 'expected glibc 2.28 or newer, which libtorch needs, received another C library (musl?)',
  })
  process.report.getReport = getReport
  assert.equal(existsSync(cacheFolder()), false)
  writeFileSync(cacheFolder(), '')
  for (const attempt of [() => libtorchFrom(wheels), cleanCache, async () => cachedLibtorchs()])
    await assert.rejects(attempt, {
      code: 'ERR_IO',
      message: `${cacheFolder()}: expected a folder for the cache, received a file`,
      hint: 'set TONGUEFORGE_CACHE to a folder, there or to be made',
    })
})

test('a wheel itself is refused, and its folder named', async () => {
  const wheels = emptyFolder()
  const wheel = makeWheel(wheels, 'torch', '2.13.0', torchFiles())
  await assert.rejects(libtorchFrom(wheel), {
    code: 'ERR_NOT_FOUND',
    message: `--from: expected a folder, received the file ${wheel}`,
    hint: `npx tongueforge setup --from ${wheels}`,
  })
})

test('a folder without wheel or libtorch is refused', async () => {
  await assert.rejects(libtorchFrom(emptyFolder()), {
    code: 'ERR_NOT_FOUND',
    message: /^--from: expected a folder/,
  })
})

const PIP_SAYS = [
  ['python3: No module named pip', 'ERR_LIBTORCH', /needs pip/],
  [
    "... after connection broken by 'NewConnectionError(...)'\nERROR: No matching distribution found",
    'ERR_LIBTORCH',
    /could not reach the package index/,
  ],
  [
    'ERROR: No matching distribution found for torch==2.13.0',
    'ERR_LIBTORCH',
    /no wheel of torch==2\.13\.0 for this Python/,
  ],
  ['ERROR: Could not install: [Errno 28] No space left on device', 'ERR_NO_SPACE', /no space left/],
  ['ERROR: something else', 'ERR_LIBTORCH', /pip could not download torch==2\.13\.0: ERROR: something else/],
]

for (const [said, code, message] of PIP_SAYS) {
  test(`where pip fails there is one clear error and a way on: ${message.source}`, () => {
    const error = pipFailure(said, ['torch==2.13.0'])
    assert.equal(error.code, code)
    assert.match(error.message, message)
    assert.ok(error.hint)
  })
}
