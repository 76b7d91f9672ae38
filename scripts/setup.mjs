// Everything that stands between a fresh clone and a running command: dependencies, TypeScript, libtorch, the native
// build. Each step looks first whether its work is done already. `npm run setup`; demo and test begin with it.
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'
import { buildNative, nativeUpToDate } from './native_build.mjs'
import {
  capture,
  filesUnder,
  fingerprint,
  isMain,
  readIfThere,
  root,
  runScript,
  StepError,
  step,
} from './steps.mjs'

const require = createRequire(import.meta.url)

/** Runs all the steps that have something to do. `build`: options of the native build. */
export async function setUp(build = {}) {
  const options = { ...build, libtorch: await setUpLibtorch(build) }
  await step('native build', {
    doing: 'configuring',
    upToDate: () => nativeUpToDate(options),
    run: (report) => buildNative(options, report),
  })
}

/** Those before the native build; resolves with the libtorch to build with. */
export async function setUpLibtorch(build = {}) {
  const [major] = process.versions.node.split('.')
  if (major < 20) throw new StepError(`expected Node 20 or newer, received ${process.version}`)
  await step('dependencies', { doing: 'npm ci', upToDate: dependenciesUpToDate, run: installDependencies })
  await step('TypeScript', { doing: 'compiling lib/', upToDate: typescriptUpToDate, run: compileTypescript })
  let libtorch
  await step('libtorch', {
    doing: 'fetching',
    upToDate: () => {
      const { findLibtorch, findCudaLibtorch, missingCuda } = require('../dist/libtorch.js')
      libtorch = build.cuda ? findCudaLibtorch() : findLibtorch()
      if (build.cuda && !libtorch) throw missingCuda()
      return libtorch && describe(libtorch)
    },
    run: async (report) => {
      libtorch = await fetchLibtorch(report)
      return describe(libtorch)
    },
  })
  return libtorch
}

// npm writes what it installed to node_modules/.package-lock.json, last of all: half an installation has none.
function dependenciesUpToDate() {
  const wanted = JSON.parse(readIfThere(join(root, 'package-lock.json'))).packages
  const installed = JSON.parse(readIfThere(join(root, 'node_modules/.package-lock.json')) ?? '{}').packages
  if (!installed) return false
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    const found = installed[path]
    return path === '' || (found ? found.version === version : optional || devOptional)
  })
}

async function installDependencies() {
  // Dev tools are part of a build, whatever NODE_ENV says; no package of ours needs its install scripts.
  const args = ['ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund']
  const npm = process.env.npm_execpath
  const [command, first] = npm && basename(npm).startsWith('npm') ? [process.execPath, [npm]] : ['npm', []]
  const failure = 'npm ci failed'
  await capture(command, [...first, ...args], {
    failure,
    hint: 'check the network and the npm registry, then try again',
  })
}

const STAMP = join(root, 'dist', '.stamp')

function typescriptInputs() {
  return fingerprint(
    ['lib', 'tsconfig.json'],
    JSON.parse(readIfThere(join(root, 'package.json'))).devDependencies.typescript,
  )
}

// `npx tsc` may have been run without us, on sources that are gone again.
function typescriptOutputs() {
  return fingerprint(filesUnder('dist', (file) => !file.endsWith('/.stamp')))
}

function typescriptUpToDate() {
  return readIfThere(STAMP) === typescriptInputs() + typescriptOutputs()
}

async function compileTypescript() {
  const before = typescriptInputs() // taken first: an edit during the compilation makes the next run compile again
  await capture(process.execPath, ['node_modules/typescript/bin/tsc'], {
    failure: 'TypeScript found errors in lib/',
  })
  dropOrphans()
  markExecutable()
  writeFileSync(STAMP, before + typescriptOutputs())
}

// What a renamed or deleted source left in dist/ would still be found by require.
function dropOrphans() {
  const outputs = filesUnder('dist', (file) => /\.(js|d\.ts|js\.map)$/.test(file))
  for (const file of outputs) {
    const source = file.replace(/^dist/, 'lib').replace(/\.(js|d\.ts|js\.map)$/, '.ts')
    if (!existsSync(join(root, source))) rmSync(join(root, file))
  }
}

// The compiler writes plain files; `npx tongueforge` and the command's own first line want one that can be run.
function markExecutable() {
  const main = join(root, 'dist/cli/main.js')
  if (existsSync(main)) chmodSync(main, 0o755)
}

async function fetchLibtorch(report) {
  const { fetchLibtorch } = require('../dist/setup/fetch_libtorch.js')
  require('../dist/addon/system.js').checkPlatform()
  return fetchLibtorch({
    onProgress: ({ step, done, total }) => {
      const size = done > 0 && !total ? `, ${Math.round(done / 1e6)} MB` : ''
      report({ done, total, note: step + size })
    },
  })
}

function describe({ version, cuda, path, source }) {
  const origin = {
    LIBTORCH: 'from LIBTORCH',
    build: 'of the last build',
    python: "Python's",
    cache: 'from the cache',
  }
  return `${version}${cuda ? ` for CUDA ${cuda}` : ''} ${origin[source]}: ${path}`
}

if (isMain(import.meta)) {
  await runScript(() => setUp())
}
