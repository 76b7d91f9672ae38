// The native build through cmake-js: configure where its inputs changed, then let Ninja (or make) decide what is stale.
// A stamp over the contents of all sources and of what came of them saves even that question when nothing changed.
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { capture, compilerJobs, fingerprint, makeFolders, readIfThere, root, StepError } from './steps.mjs'

const SOURCES = ['CMakeLists.txt', 'cmake', 'native', 'third_party', 'test/native', 'test/fuzz']

/**
 * @typedef {object} BuildOptions
 * @property {{path: string, version: string}} libtorch
 * @property {boolean} [debug]     no optimisation, assertions on; into build/debug
 * @property {string} [sanitize]   sanitizers, `address,undefined` or `thread`; into build/<names>
 * @property {boolean} [cuda]      with the CUDA kernels, or not at all; into build/cuda
 * @property {boolean} [verbose]   show what the compiler says as it comes
 */

/** The folder of a kind of build, from the project's root; the plain one is what the library loads. */
export function buildFolder({ debug, sanitize, cuda }) {
  const kind = [cuda && 'cuda', sanitize?.replaceAll(',', '-'), debug && 'debug'].filter(Boolean).join('-')
  return kind ? `build/${kind}` : 'build'
}

/** The built addon of a kind of build, from the project's root. */
export function addonOf(options) {
  return `${buildFolder(options)}/${options.debug ? 'Debug' : 'Release'}/tongueforge.node`
}

export function nativeUpToDate(options) {
  if (!existsSync(join(root, addonOf(options)))) return false
  return readIfThere(stampFile(options)) === inputs(options) + outputs(options)
}

/** Configures where needed and builds. Returns a note for the step's line. */
export async function buildNative(options, report) {
  checkTools(options)
  const folder = buildFolder(options)
  const before = inputs(options) // taken first: an edit during the build makes the next run build again
  rmSync(stampFile(options), { force: true })
  dropForeignCache(folder)
  makeFolders(join(root, folder))
  const output = (await configure(options)) + (await compile(options, report))
  writeFileSync(join(root, folder, 'build.log'), output)
  writeFileSync(stampFile(options), before + outputs(options))
  const warnings = output.match(/^CMake Warning.* at |\bwarning: /gm)?.length
  return warnings && `${warnings} warning${warnings > 1 ? 's' : ''} (${folder}/build.log)`
}

function stampFile(options) {
  return join(root, buildFolder(options), '.stamp')
}

function inputs({ libtorch, debug, sanitize, cuda }) {
  const { version, devDependencies: packages } = JSON.parse(readIfThere(join(root, 'package.json')))
  return fingerprint(
    SOURCES,
    version,
    libtorch.path,
    libtorch.version,
    debug,
    sanitize,
    cuda,
    process.arch,
    process.env.CXX,
    libtorch.cuda && nvcc(),
    packages['node-addon-api'],
    packages['node-api-headers'],
    packages['cmake-js'],
  )
}

// Ninja may have been run without us, on sources that are gone again.
function outputs(options) {
  const addon = addonOf(options)
  return fingerprint([addon, `${dirname(addon)}/tongueforge.json`, `${buildFolder(options)}/native_tests`])
}

async function configure(options) {
  const args = [...cmakeJs('configure', options), `--CDLIBTORCH=${options.libtorch.path}`]
  if (options.sanitize) args.push(`--CDTONGUEFORGE_SANITIZE=${options.sanitize}`)
  if (options.cuda) args.push('--CDTONGUEFORGE_CUDA=ON', `--CDCMAKE_CUDA_COMPILER=${nvcc()}`)
  const failure = 'CMake could not configure the native build'
  const output = await capture(process.execPath, args, { failure })
  for (const warning of cmakeWarnings(output)) process.stderr.write(`\n${warning}\n`)
  return output
}

// Those of CMake files with their text, which is indented; CMake also warns of options that no file asks for.
function cmakeWarnings(output) {
  const found = output.match(/^CMake Warning.* at .*:\n(?: {2}.*\n|\n(?= {2}))*/gm) ?? []
  return found.map((text) => text.trimEnd())
}

async function compile(options, report) {
  const args = [...cmakeJs('build', options), '--parallel', String(compilerJobs())]
  let percent = 0
  return capture(process.execPath, args, {
    failure: 'the native build failed',
    onLine: (line) => {
      if (options.verbose) process.stderr.write(`\n${line}`)
      const ninja = /^\[(\d+)\/(\d+)\]/.exec(line)
      if (ninja)
        return report({ done: Number(ninja[1]), total: Number(ninja[2]), note: `${ninja[1]} of ${ninja[2]}` })
      const make = /^\[ *(\d+)%\]/.exec(line)
      if (make) percent = Math.max(percent, Number(make[1]))
      if (make) report({ done: percent, total: 100 })
    },
  }).catch((error) => {
    error.output = firstFailure(error.output ?? '')
    throw error
  })
}

function cmakeJs(verb, options) {
  return [
    'node_modules/cmake-js/bin/cmake-js',
    verb,
    '--out',
    join(root, buildFolder(options)),
    ...(options.debug ? ['--debug'] : []),
    '--log-level',
    'error',
  ]
}

// From the first failure on, without the lines of progress: what a reader wants to see of a broken build.
function firstFailure(output) {
  const lines = output.split('\n').filter((line) => !/^\[\d+\/\d+\] (Building|Linking)|^ERROR OMG/.test(line))
  const start = lines.findIndex((line) => /FAILED:|error:|Error \d/.test(line))
  return lines.slice(Math.max(0, start), Math.max(0, start) + 80).join('\n')
}

// CMake refuses a build folder that another tool or another place of the project made, and keeps the compiler it has.
function dropForeignCache(folder) {
  const cache = readIfThere(join(root, folder, 'CMakeCache.txt'))
  if (!cache) return
  const home = /^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$/m.exec(cache)?.[1]
  const generator = /^CMAKE_GENERATOR:INTERNAL=(.*)$/m.exec(cache)?.[1]
  const compiler = /^TONGUEFORGE_CXX:STRING=(.*)$/m.exec(cache)?.[1] ?? ''
  const sameTool = generator === (has('ninja') ? 'Ninja' : 'Unix Makefiles')
  if (home === root && sameTool && compiler === (process.env.CXX ?? '')) return
  for (const name of [
    'CMakeCache.txt',
    'CMakeFiles',
    'build.ninja',
    '.ninja_deps',
    '.ninja_log',
    'Makefile',
  ]) {
    rmSync(join(root, folder, name), { recursive: true, force: true })
  }
}

function checkTools({ cuda, libtorch }) {
  const missing = []
  if (!has('cmake')) missing.push('cmake')
  if (!has('ninja') && !has('make')) missing.push('make')
  if (!process.env.CXX && !['c++', 'g++', 'clang++'].some(has)) missing.push('g++')
  if (missing.length === 0 && cuda && !nvcc()) {
    throw new StepError(`--cuda needs nvcc of CUDA ${libtorch.cuda}, not found on the PATH nor in CUDACXX`, {
      hint: 'install the CUDA toolkit of that version, or name its nvcc in CUDACXX; npm run build makes an addon without CUDA kernels',
    })
  }
  if (missing.length === 0) return
  throw new StepError(`the native build needs ${missing.join(', ')}, not found on the PATH`, {
    hint: `install it; on Debian and Ubuntu: apt install ${missing.join(' ')} ninja-build`,
  })
}

/** CUDA's compiler, or undefined. */
export function nvcc() {
  const usual = '/usr/local/cuda/bin/nvcc'
  const found = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'nvcc'))
  return process.env.CUDACXX || [...found, usual].find((path) => existsSync(path))
}

function has(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)))
}
