// Folders of libtorch: where they may lie, and what they say of themselves. Nothing here loads a library or runs code of
// a wheel.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { TongueforgeError } from './errors'

/** The minor versions of libtorch that the native core compiles against. */
export const SUPPORTED_VERSIONS = ['2.11', '2.13', '2.14']
/** The version that the set-up fetches where none is found. */
export const FETCHED_VERSION = '2.13.0'

/** PyTorch's package indexes that have that version, of builds for the CPU and with CUDA. */
export const CPU_INDEX = 'https://download.pytorch.org/whl/cpu'
export const CUDA_INDEX = 'https://download.pytorch.org/whl/cu130'

export interface Libtorch {
  /** The folder that holds lib/ and include/: an unpacked libtorch, or site-packages/torch. */
  path: string
  /** As it calls itself, such as `2.13.0+cpu`. */
  version: string
  /** The CUDA version that it was built with, such as `13.0`; null for a CPU build. */
  cuda: string | null
  source: 'LIBTORCH' | 'build' | 'python' | 'cache'
}

/** Where fetched libraries lie: TONGUEFORGE_CACHE, else `tongueforge` in the user's cache folder. */
export function cacheFolder(): string {
  const { TONGUEFORGE_CACHE, XDG_CACHE_HOME } = process.env
  return resolve(TONGUEFORGE_CACHE || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'tongueforge'))
}

/** The same, where it is a folder or is not there yet. Throws ERR_IO. */
export function usableCacheFolder(): string {
  const cache = cacheFolder()
  if (!existsSync(cache) || statSync(cache).isDirectory()) return cache
  throw new TongueforgeError('ERR_IO', `${cache}: expected a folder for the cache, received a file`, {
    hint: 'set TONGUEFORGE_CACHE to a folder, there or to be made',
    details: { path: cache },
  })
}

/** The libtorch that LIBTORCH names. Throws ERR_LIBTORCH where it names none, or one of another version. */
export function namedLibtorch(): Libtorch | undefined {
  const folder = process.env.LIBTORCH
  if (!folder) return undefined
  const found = readLibtorch(folder, 'LIBTORCH')
  if (!found) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `LIBTORCH: expected a libtorch or site-packages/torch folder, received ${folder}`,
      {
        hint: 'unset LIBTORCH, or point it at a folder that holds lib/libtorch_cpu.so',
        details: { path: folder },
      },
    )
  }
  if (!isSupported(found.version)) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `LIBTORCH: expected libtorch ${SUPPORTED_VERSIONS.join(', ')}, received ${found.version}`,
      {
        hint: 'unset LIBTORCH, or point it at a supported version',
        details: { path: folder, version: found.version },
      },
    )
  }
  return found
}

// Where Python would import torch from. find_spec on a top-level name imports nothing; the empty entry of sys.path
// is dropped so that a folder named torch in the working directory is not taken for it.
const PYTHON_SEARCH = `import importlib.util as util, sys
sys.path[:] = [entry for entry in sys.path if entry]
spec = util.find_spec('torch')
print(next(iter(spec.submodule_search_locations or []), '') if spec else '')`

/** The torch that python3 would import, if its version is supported. */
export function pythonLibtorch(): Libtorch | undefined {
  try {
    const folder = execFileSync('python3', ['-c', PYTHON_SEARCH], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    return folder ? supported(readLibtorch(folder, 'python')) : undefined
  } catch {
    return undefined // no python3 is no libtorch of Python's, nothing more
  }
}

/** All that the set-up fetched, or linked; the version that it fetches goes first. */
export function cachedLibtorchs(): Libtorch[] {
  const cache = usableCacheFolder()
  if (!existsSync(cache)) return []
  const names = readdirSync(cache).filter((name) => name.startsWith('libtorch-'))
  const fetched = `libtorch-${FETCHED_VERSION}`
  names.sort((a, b) => Number(b === fetched) - Number(a === fetched) || a.localeCompare(b))
  return names.flatMap((name) => supported(readLibtorch(join(cache, name, 'torch'), 'cache')) ?? [])
}

/** Reads what a folder says of itself; undefined where it holds no libtorch. The folder's parent may be given too. */
export function readLibtorch(folder: string, source: Libtorch['source']): Libtorch | undefined {
  for (const path of [resolve(folder), resolve(folder, 'torch')]) {
    if (!existsSync(join(path, 'lib', 'libtorch_cpu.so'))) continue
    const facts = readVersion(path)
    if (facts) return { path, ...facts, source }
  }
  return undefined
}

// A wheel says its version in version.py (read as text, Python code is never run), the zip in build-version.
function readVersion(path: string): { version: string; cuda: string | null } | undefined {
  if (existsSync(join(path, 'version.py'))) {
    const text = readFileSync(join(path, 'version.py'), 'utf8')
    const version = /^__version__\b[^=\n]*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1]
    const cuda = /^cuda\b[^=\n]*=\s*['"]([^'"]+)['"]/m.exec(text)?.[1]
    return version ? { version, cuda: cuda ?? null } : undefined
  }
  if (existsSync(join(path, 'build-version'))) {
    const version = readFileSync(join(path, 'build-version'), 'utf8').trim()
    const digits = /\+cu(\d+)(\d)$/.exec(version)
    return { version, cuda: digits ? `${digits[1]}.${digits[2]}` : null }
  }
  return undefined
}

/** `2.13` of `2.13.0+cpu`: what two libtorch must share to fit the same binary. */
export function minorVersion(version: string): string {
  return version.split('.').slice(0, 2).join('.')
}

export function isSupported(version: string): boolean {
  return SUPPORTED_VERSIONS.includes(minorVersion(version))
}

/** The libtorch itself if its version is supported. */
export function supported(found: Libtorch | undefined): Libtorch | undefined {
  return found && isSupported(found.version) ? found : undefined
}
