// Finds libtorch, and loads the native addon on top of it. Importing this file loads nothing: the first call that
// needs a tensor pays for libtorch (a few tenths of a second).
//
// Searched in this order: LIBTORCH, the libtorch that this addon was built with, an importable Python torch,
// the cache that the set-up fills. The second stands before Python so that a built addon starts no Python process.
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { TongueforgeError } from './errors'
import {
  CUDA_INDEX,
  cachedLibtorch,
  cachedLibtorchs,
  cacheFolder,
  type Libtorch,
  minorVersion,
  namedLibtorch,
  pythonLibtorch,
  readLibtorch,
  SUPPORTED_VERSIONS,
  supported,
} from './libtorch_folders'

/** What the build wrote beside the addon, in tongueforge.json. */
export interface BuildRecord {
  version: string
  torch_version: string
  torch_path: string
  /** Whether that libtorch has CUDA. */
  cuda?: boolean
  /** Whether the addon has the CUDA kernels; without them, it computes on GPUs what libtorch has. */
  cuda_kernels?: boolean
}

export interface AddonFile {
  path: string
  record: BuildRecord
}

/** The folder of the package: the clone, or node_modules/tongueforge. */
export const packageRoot = resolve(__dirname, '..')

/**
 * Finds a libtorch of a supported version, or undefined. LIBTORCH is obeyed or refused (ERR_LIBTORCH); after it the
 * first place wins, but one that fits the version of `wanted` goes before one that does not.
 */
export function findLibtorch(wanted?: string): Libtorch | undefined {
  const named = namedLibtorch()
  if (named) return named
  let first: Libtorch | undefined
  for (const search of [builtWith, pythonLibtorch, cachedLibtorch]) {
    const found = search()
    if (found && (!wanted || minorVersion(found.version) === minorVersion(wanted))) return found
    first ??= found
  }
  return first
}

/**
 * Finds the libtorch that a build for CUDA takes: LIBTORCH, else Python's, else one of the cache. Throws ERR_LIBTORCH
 * where LIBTORCH names a CPU build.
 */
export function findCudaLibtorch(): Libtorch | undefined {
  const named = namedLibtorch()
  if (named && named.cuda === null) throw missingCuda([named])
  return named ?? [pythonLibtorch(), ...cachedLibtorchs()].find((found) => found && found.cuda !== null)
}

/** ERR_LIBTORCH: a build for CUDA was asked for, and this is what was found. */
export function missingCuda(
  found = [pythonLibtorch(), ...cachedLibtorchs()].filter((one) => one !== undefined),
): TongueforgeError {
  const received = found.map(({ version, path, source }) => `${version} for the CPU (${source}: ${path})`)
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `--cuda: expected a libtorch with CUDA, found ${received.join(' and ') || 'none'}`,
    {
      hint: `set LIBTORCH to the site-packages/torch of a torch with CUDA; or fetch one: TONGUEFORGE_TORCH_INDEX=${CUDA_INDEX} npx tongueforge setup --cuda`,
      details: { found: found.map(({ path }) => path) },
    },
  )
}

function builtWith(): Libtorch | undefined {
  const record = findAddon()?.record
  return record && supported(readLibtorch(record.torch_path, 'build'))
}

/** The built addon and its record, or undefined. TONGUEFORGE_ADDON names another one, say a debug build. */
export function findAddon(): AddonFile | undefined {
  const named = process.env.TONGUEFORGE_ADDON
  const places = named
    ? [resolve(named)]
    : [
        join(packageRoot, 'build', 'Release', 'tongueforge.node'),
        join(packageRoot, 'prebuilds', `${process.platform}-${process.arch}`, 'tongueforge.node'),
      ]
  for (const path of places) {
    const record = readRecord(join(dirname(path), 'tongueforge.json'))
    if (record && existsSync(path)) return { path, record }
  }
  return undefined
}

function readRecord(file: string): BuildRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as Partial<BuildRecord>
    return record.torch_version && record.torch_path ? (record as BuildRecord) : undefined
  } catch {
    return undefined // no record, no addon: a build that was cut short
  }
}

let loaded: unknown

/**
 * Loads libtorch and the addon; the second call returns the first one's exports.
 * Throws ERR_PLATFORM, ERR_ADDON (not built) or ERR_LIBTORCH (none found, or not the version of the build).
 */
export function loadAddon(): unknown {
  loaded ??= open()
  return loaded
}

function open(): unknown {
  checkPlatform()
  const addon = findAddon()
  if (!addon) throw missingAddon()
  const libtorch = findLibtorch(addon.record.torch_version)
  if (!libtorch) throw missingLibtorch()
  checkFit(addon, libtorch)
  // A thread that waits for the others should sleep, not spin. Alone on two cores spinning gives small steps 1.2 times
  // the speed; beside two busy processes sleeping gives 2.7 times (bench/wait_policy.mjs). Read when OpenMP is loaded.
  process.env.OMP_WAIT_POLICY ??= 'PASSIVE'
  try {
    preload(libtorch)
    return require(addon.path)
  } catch (cause) {
    throw new TongueforgeError('ERR_ADDON', `cannot load the native addon: ${(cause as Error).message}`, {
      hint: glibcHint() ?? 'npm run build',
      details: { addon: addon.path, libtorch: libtorch.path },
      cause,
    })
  }
}

/** Throws ERR_PLATFORM where neither the addon nor the wheels of libtorch run. */
export function checkPlatform(): void {
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return
  throw new TongueforgeError(
    'ERR_PLATFORM',
    `expected Linux on x64 or arm64, received ${process.platform} on ${process.arch}`,
    { hint: 'use a Linux machine, virtual machine or container' },
  )
}

// The wheels of libtorch ask for glibc 2.28; musl has none. Asked only after a failure: the report costs 5 ms.
function glibcHint(): string | undefined {
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  const glibc = report.header?.glibcVersionRuntime
  if (!glibc) return 'libtorch needs a Linux with glibc 2.28 or newer; this one has another C library'
  const [major = 0, minor = 0] = glibc.split('.').map(Number)
  return major * 1000 + minor < 2028
    ? `libtorch needs glibc 2.28 or newer; this machine has ${glibc}`
    : undefined
}

/** Throws ERR_LIBTORCH unless the found libtorch has the major.minor, and the CUDA, that the addon was built with. */
export function checkFit(addon: AddonFile, libtorch: Libtorch): void {
  const { torch_version: built, cuda } = addon.record
  const details = { addon: addon.path, built_with: built, libtorch: libtorch.path, found: libtorch.version }
  if (minorVersion(built) !== minorVersion(libtorch.version)) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `the addon was built with libtorch ${built}, but libtorch ${libtorch.version} was found (${libtorch.source})`,
      {
        hint: `npm run build makes an addon for ${libtorch.version}; or set LIBTORCH to a libtorch ${minorVersion(built)}`,
        details,
      },
    )
  }
  if (cuda && libtorch.cuda === null) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `the addon was built for CUDA, but the libtorch found (${libtorch.source}) is a CPU build`,
      { hint: 'set LIBTORCH to a libtorch with CUDA; or npm run build makes an addon for the CPU', details },
    )
  }
}

// The addon finds libtorch by the names of libraries already in the process. process.dlopen opens any library and
// then complains that it is no addon: the complaint is the success. NODELETE keeps the library when Node closes it.
const RTLD_NODELETE = 0x1000

function preload(libtorch: Libtorch): void {
  try {
    const flags = constants.dlopen.RTLD_NOW | RTLD_NODELETE
    process.dlopen({ exports: {} }, join(libtorch.path, 'lib', 'libtorch.so'), flags) // needs all the others
  } catch (error) {
    if (!/did not self-register/.test((error as Error).message)) throw error
  }
}

/** ERR_ADDON: the native part is not built. */
export function missingAddon(): TongueforgeError {
  const named = process.env.TONGUEFORGE_ADDON
  const message = named
    ? `TONGUEFORGE_ADDON: expected a built addon with tongueforge.json beside it, received ${named}`
    : 'the native addon is not built'
  return new TongueforgeError('ERR_ADDON', message, {
    hint: named ? 'unset TONGUEFORGE_ADDON' : 'npm run build',
  })
}

/** ERR_LIBTORCH: nowhere a libtorch of a supported version. */
export function missingLibtorch(): TongueforgeError {
  return new TongueforgeError('ERR_LIBTORCH', `found no libtorch (${SUPPORTED_VERSIONS.join(', ')})`, {
    hint: 'npx tongueforge setup',
    details: { searched: ['LIBTORCH', 'the build', 'python3', cacheFolder()] },
  })
}
