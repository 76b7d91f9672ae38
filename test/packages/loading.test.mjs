// What can be wrong with a prebuilt addon on somebody's machine: each is one coded error with the next thing to type, and
// none takes the process with it. The situations are made, not mocked: the bytes of the addon are altered so that the
// system's own loader or processor refuses it. What cannot be made here (another system, another C library) is told to
// Node by a module that the test loads first.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, beforeEach, describe, test } from 'node:test'
import { packageName, packagesFor } from '#lib/addon/prebuilt'
import { VERSION } from '#lib/version'
import { readElf } from '../../scripts/packaging/elf.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { alterAddon, alterRecord, bareEnvironment, layOut, libtorch, run } from '../helpers/packages.mjs'

const [row] = packagesFor(process.platform, process.arch).filter(({ built }) => built)

describe('a prebuilt addon', { skip: row ? false : 'no package is built for this machine' }, () => {
  const folder = temporaryFolder()
  const cache = join(folder, 'cache')
  const name = row && packageName(row)
  const env = { ...bareEnvironment(folder, cache), LIBTORCH: libtorch }
  let pristine
  let installed
  let addon

  before(async () => {
    installed = await layOut(folder)
    pristine = join(folder, 'pristine')
    cpSync(installed, pristine, { recursive: true })
  })

  beforeEach(() => {
    for (const place of [installed, cache]) rmSync(place, { recursive: true, force: true })
    cpSync(pristine, installed, { recursive: true })
    addon = join(installed, 'prebuilds', `${row.platform}-${row.arch}`, 'tongueforge.glibc.node')
  })

  const inPackage = (file) => JSON.stringify(join(folder, 'node_modules', 'tongueforge', 'dist', file))

  /** What a program prints after loading `preload`, code that runs before anything else. */
  async function printed(program, { preload = '', ...variables } = {}) {
    const file = join(folder, 'preload.cjs')
    writeFileSync(file, preload)
    const options = { cwd: folder, env: { ...env, ...variables } }
    const { code, signal, out, err } = await run(
      process.execPath,
      ['--require', file, '-e', program],
      options,
    )
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, err)
    return JSON.parse(out)
  }

  /** What a call gets, by code of a promise: {} or the error. */
  function outcome(call, options) {
    return printed(
      `(async () => ${call})().then(() => console.log('{}'),
        ({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })))`,
      options,
    )
  }

  /** The first call that needs the addon. */
  const firstCall = (options) => outcome(`void require(${inPackage('native.js')}).native()`, options)
  const setUp = (options) => outcome(`require(${inPackage('setup/index.js')}).ensureLibtorch()`, options)

  async function refused(code, message, hint, variables, attempt = firstCall) {
    const error = await attempt(variables)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    assert.match(error.hint, hint)
  }

  const install = new RegExp(`^npm install ${name}@${VERSION}`)
  const again = new RegExp(`^rm -r \\S+/node_modules/${name}, then npm install ${name}@${VERSION}`)
  const nothingIsStarted = `require('child_process').spawnSync = () => { throw new Error('a process was started') }`

  test('is tried once in a process of its own, and then no more', async () => {
    assert.deepEqual(await firstCall(), {})
    const [tried, ...others] = readdirSync(join(cache, 'trials'))
    assert.deepEqual(others, [])
    assert.deepEqual(await firstCall({ preload: nothingIsStarted }), {})
    assert.deepEqual(readdirSync(join(cache, 'trials')), [tried])
  })

  test('is tried again when its bytes are others', async () => {
    await firstCall()
    alterAddon(addon, (bytes) => bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1))
    assert.match((await firstCall({ preload: nothingIsStarted })).message, /a process was started/)
  })

  test('is loaded untried where no process can be started, or nothing remembered', async () => {
    const noProcess = `require('child_process').spawnSync = () => ({ error: { code: 'EPERM' } })`
    assert.deepEqual(await firstCall({ preload: noProcess }), {})
    writeFileSync(cache, 'a file where the cache would be') // no folder can be made in it
    assert.deepEqual(await firstCall(), {})
  })

  const crash = (code) => (bytes) => Buffer.from(code).copy(bytes, readElf(bytes).initOffset)
  const illegal = [0x0f, 0x0b] // ud2
  const wild = [0x31, 0xc0, 0x89, 0x00] // xor eax, eax; mov [rax], eax
  const endless = [0xeb, 0xfe] // jmp to itself
  const onX64 = { skip: row?.arch === 'x64' ? false : 'its instructions are those of x64' }

  test(
    'with an instruction that the processor lacks names the processor, and ends no process',
    onX64,
    async () => {
      alterAddon(addon, crash(illegal))
      await refused('ERR_PLATFORM', /^the processor \(.+\) lacks an instruction .*SIGILL$/, /newer machine/)
      assert.throws(
        () =>
          execFileSync(
            process.execPath,
            ['-e', `process.dlopen({ exports: {} }, ${JSON.stringify(addon)})`],
            {
              env: { ...env, LD_LIBRARY_PATH: join(libtorch, 'lib') },
              stdio: 'ignore',
            },
          ),
        { signal: 'SIGILL' },
      )
    },
  )

  test('that crashes while it loads is told, and ends no process', onX64, async () => {
    alterAddon(addon, crash(wild))
    await refused('ERR_ADDON', /^loading the addon crashed a trial process \(SIGSEGV\)$/, again)
  })

  test('that never ends loading is given up', onX64, async () => {
    alterAddon(addon, crash(endless))
    const impatient = `const processes = require('child_process'), { spawnSync } = processes
      processes.spawnSync = (file, args, options) => spawnSync(file, args, { ...options, timeout: 1500 })`
    await refused('ERR_ADDON', /did not end within/, again, { preload: impatient })
  })

  test('of other bytes than its package tells is refused', async () => {
    alterAddon(addon, (bytes) => bytes.fill(0, 1e6, 1e6 + 512))
    alterRecord(addon, { sha256: 'f'.repeat(64) })
    await refused('ERR_ADDON', /tongueforge\.glibc\.node: expected SHA-256 f+, received [0-9a-f]{64}$/, again)
  })

  test('cut short is refused', async () => {
    writeFileSync(addon, readFileSync(addon).subarray(0, 1000))
    alterAddon(addon, () => {})
    await refused('ERR_ADDON', /file too short|crashed a trial process \(SIGBUS\)/, again)
  })

  test('of another machine is refused', async () => {
    alterAddon(addon, (bytes) => bytes.writeUInt16LE(row.arch === 'x64' ? 183 : 62, 18))
    await refused('ERR_ADDON', /^a native library is damaged, or of another machine: /, again)
  })

  const rename = (from, to) => (bytes) => {
    const at = bytes.indexOf(`${from}\0`)
    assert.ok(at > 0, from)
    bytes.write(to, at)
  }

  test('that needs a newer glibc than its package tells, and than there is, names both', async () => {
    alterAddon(addon, rename(`GLIBC_${newestOf('glibc')}`, 'GLIBC_2.99'), { requires: {} })
    await refused(
      'ERR_PLATFORM',
      /^expected glibc 2\.99 or newer, which .*node needs, received glibc 2\.\d+$/,
      /newer system/,
    )
  })

  test('that needs a newer libstdc++ names it', async () => {
    alterAddon(addon, rename(`GLIBCXX_${newestOf('libstdcxx')}`, 'GLIBCXX_3.4.99'))
    await refused('ERR_PLATFORM', /^expected a libstdc\+\+ with GLIBCXX_3\.4\.99, .* older$/, /newer system/)
  })

  function newestOf(library) {
    return JSON.parse(readFileSync(join(addon, '..', 'tongueforge.json'), 'utf8')).requires[library]
  }

  test('whose package tells of a newer glibc is refused before anything is started', async () => {
    alterRecord(addon, { requires: { glibc: '2.99' } })
    await refused(
      'ERR_PLATFORM',
      /^expected glibc 2\.99 or newer, which the prebuilt addon needs, received glibc 2/,
      /newer system/,
      { preload: nothingIsStarted },
    )
  })

  test('of another version than the main package is refused with both', async () => {
    alterRecord(addon, { version: '0.0.9' })
    await refused(
      'ERR_ADDON',
      new RegExp(`^expected ${name} ${VERSION}, as tongueforge itself, received 0\\.0\\.9$`),
      install,
    )
  })

  test('that is not installed is named, with the command that installs it', async () => {
    rmSync(installed, { recursive: true })
    await refused('ERR_ADDON', new RegExp(`in the package ${name}, found no such package$`), install)
    const other = join(installed, '..', 'darwin-arm64-torch2.13')
    mkdirSync(other)
    writeFileSync(join(other, 'package.json'), '{}')
    await refused('ERR_ADDON', /found only @tongueforge\/darwin-arm64-torch2\.13$/, install)
    rmSync(other, { recursive: true })
  })

  test('that is missing, or of another version, or cannot be had, ends a set-up before it fetches', async () => {
    const nothing = { LIBTORCH: '' }
    alterRecord(addon, { version: '0.0.9' })
    await refused('ERR_ADDON', /^expected .*, received 0\.0\.9$/, install, nothing, setUp)
    rmSync(installed, { recursive: true })
    await refused('ERR_ADDON', /found no such package$/, install, nothing, setUp)
    const musl = { ...nothing, preload: `process.report.getReport = () => ({ header: {} })` }
    await refused('ERR_PLATFORM', /another C library/, /Debian images of Node/, musl, setUp)
    assert.equal(existsSync(cache), false)
  })

  test('without its file is told so', async () => {
    rmSync(addon)
    await refused('ERR_ADDON', new RegExp(`in the package ${name}, found none in it$`), again)
  })

  test('on another system, processor or C library says what there is', async () => {
    const pretend = (key, value) => `Object.defineProperty(process, '${key}', { value: '${value}' })`
    const system = { preload: pretend('platform', 'win32') }
    await refused(
      'ERR_PLATFORM',
      /^expected Linux on x64 or arm64, received win32 on /,
      /Linux machine/,
      system,
    )
    const processor = { preload: pretend('arch', 'arm64') }
    await refused('ERR_ADDON', /^there is no prebuilt addon for linux-arm64$/, /npm run build/, processor)
    const musl = { preload: `process.report.getReport = () => ({ header: {} })` }
    await refused(
      'ERR_PLATFORM',
      /^expected glibc 2\.\d+ or newer, .*another C library/,
      /Debian images of Node/,
      musl,
    )
  })

  test('refuses a libtorch of another version, and says how to get its own', async () => {
    const other = join(folder, 'other')
    fakeLibtorch(other, '2.11.0')
    await refused(
      'ERR_LIBTORCH',
      /^the addon was built with libtorch 2\.13\.0, but libtorch 2\.11\.0 was found \(LIBTORCH\)$/,
      /^point LIBTORCH at a libtorch 2\.13; or unset it: npx tongueforge setup fetches a libtorch 2\.13$/,
      { LIBTORCH: other },
    )
    mkdirSync(cache)
    renameSync(other, join(cache, 'libtorch-2.11.0'))
    await refused(
      'ERR_LIBTORCH',
      /was found \(cache\)$/,
      /^npx tongueforge setup fetches a libtorch 2\.13$/,
      {
        LIBTORCH: '',
      },
    )
  })

  test('refuses a libtorch that is not whole', async () => {
    const half = join(folder, 'half')
    fakeLibtorch(half, JSON.parse(readFileSync(join(addon, '..', 'tongueforge.json'), 'utf8')).torch_version)
    await refused(
      'ERR_LIBTORCH',
      /needs the library .*libtorch\.so, which was not found$/,
      /^unset LIBTORCH, or point it at a whole libtorch 2\.13$/,
      { LIBTORCH: half },
    )
    writeFileSync(join(half, 'torch', 'lib', 'libtorch.so'), 'no library')
    await refused('ERR_LIBTORCH', /^libtorch 2\.13\.0 is damaged: .*libtorch\.so: /, /^unset LIBTORCH/, {
      LIBTORCH: half,
    })
    mkdirSync(cache, { recursive: true })
    renameSync(half, join(cache, 'libtorch-2.13.0'))
    await refused('ERR_LIBTORCH', /is damaged/, /^npx tongueforge setup --clean, then/, { LIBTORCH: '' })
  })

  function fakeLibtorch(place, version) {
    mkdirSync(join(place, 'torch', 'lib'), { recursive: true })
    writeFileSync(join(place, 'torch', 'lib', 'libtorch_cpu.so'), '')
    writeFileSync(
      join(place, 'torch', 'version.py'),
      `__version__ = '${version}'\ncuda: Optional[str] = None\n`,
    )
  }

  test('is what the doctor tells of', async () => {
    const program = `require(${inPackage('verbs/doctor.js')}).doctor().then((report) => console.log(JSON.stringify(report)))`
    alterAddon(addon, crash(illegal))
    const { ok, addon: told, problems } = await printed(program)
    assert.deepEqual({ ok, ...told }, { ok: false, version: VERSION, package: name, cuda_kernels: null })
    assert.match(problems[0].message, /^the processor /)
    alterRecord(addon, { version: '0.0.9' })
    assert.match((await printed(program)).problems[0].message, /^expected @tongueforge/)
  })
})
