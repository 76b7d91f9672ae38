// What the loader of the system says when a library does not load, as one clear error each.
import { join } from 'node:path'
import { TongueforgeError } from '../errors'
import type { Libtorch } from '../libtorch_folders'
import { anotherLibtorch } from './another_libtorch'
import { inClone, reinstallCommand } from './find'
import type { AddonFile } from './record'
import { checkGlibc, glibcVersion, LIBTORCH_GLIBC } from './system'

interface Loading {
  addon: AddonFile
  libtorch: Libtorch
}

/** A row: what the loader says, and what that means. */
type Explanation = readonly [RegExp, (match: RegExpExecArray, loading: Loading) => TongueforgeError]

const EXPLANATIONS: readonly Explanation[] = [
  [/version [`']GLIBC_([\d.]+)' not found \(required by ([^)]+)\)/, olderGlibc],
  [/version [`']((?:GLIBCXX|CXXABI)_[\d.]+)' not found \(required by ([^)]+)\)/, olderStdcxx],
  [/(undefined symbol: \S+)/, unlikeLibtorch],
  [/wrong ELF class|invalid ELF header|file too short|ELF load command|not a dynamic/, damaged],
  [/^(?:Error: )?(\S+): cannot open shared object file/, missingLibrary],
]

/** The error for what was thrown while the addon was loaded, or for what a trial process said of it. */
export function loadFailure(said: string, loading: Loading, cause?: unknown): TongueforgeError {
  for (const [pattern, explain] of EXPLANATIONS) {
    const match = pattern.exec(said)
    if (match) return explain(match, loading)
  }
  const glibc = oldSystem()
  if (glibc) return glibc
  return new TongueforgeError('ERR_ADDON', `cannot load the native addon: ${said}`, {
    hint: againCommand(loading.addon),
    details: detailsOf(loading),
    cause,
  })
}

/** What makes or fetches the addon anew. */
export function againCommand(addon: AddonFile): string {
  if (addon.package) return reinstallCommand(addon.package)
  return inClone() ? 'npm run build' : 'unset TONGUEFORGE_ADDON'
}

function detailsOf({ addon, libtorch }: Loading): { addon: string; libtorch: string } {
  return { addon: addon.path, libtorch: libtorch.path }
}

function olderGlibc([, needed = '', library = '']: RegExpExecArray, loading: Loading): TongueforgeError {
  return new TongueforgeError(
    'ERR_PLATFORM',
    `expected glibc ${needed} or newer, which ${library} needs, received glibc ${glibcVersion()}`,
    { hint: newerSystem(loading.addon), details: { needed, library } },
  )
}

function olderStdcxx([, needed = '', library = '']: RegExpExecArray, loading: Loading): TongueforgeError {
  return new TongueforgeError(
    'ERR_PLATFORM',
    `expected a libstdc++ with ${needed}, which ${library} needs; that of this system is older`,
    { hint: newerSystem(loading.addon), details: { needed, library } },
  )
}

function newerSystem(addon: AddonFile): string {
  return addon.package
    ? 'use a newer system or container (Debian 12, Ubuntu 22.04), or build in a clone on this one: npm run build'
    : 'npm run build, on this machine'
}

function unlikeLibtorch([, symbol = '']: RegExpExecArray, loading: Loading): TongueforgeError {
  const { addon, libtorch } = loading
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `the addon was built with libtorch ${addon.record.torch_version}; the one in ${libtorch.path} calls itself ${libtorch.version}, but lacks what it needs: ${symbol}`,
    {
      hint: addon.package ? anotherLibtorch(libtorch) : 'npm run build',
      details: detailsOf(loading),
    },
  )
}

function damaged({ 0: said, input }: RegExpExecArray, loading: Loading): TongueforgeError {
  const { libtorch } = loading
  if (input.includes(join(libtorch.path, 'lib'))) {
    return new TongueforgeError('ERR_LIBTORCH', `libtorch ${libtorch.version} is damaged: ${input}`, {
      hint: anotherLibtorch(libtorch),
      details: detailsOf(loading),
    })
  }
  return new TongueforgeError('ERR_ADDON', `a native library is damaged, or of another machine: ${said}`, {
    hint: againCommand(loading.addon),
    details: detailsOf(loading),
  })
}

function missingLibrary(match: RegExpExecArray, loading: Loading): TongueforgeError {
  const [, library = ''] = match
  // What the loader says of a file that is there, but made for another processor.
  if (library === loading.addon.path) return damaged(match, loading)
  const { version, path } = loading.libtorch
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `libtorch ${version} in ${path} needs the library ${library}, which was not found`,
    { hint: anotherLibtorch(loading.libtorch), details: { ...detailsOf(loading), library } },
  )
}

function oldSystem(): TongueforgeError | undefined {
  try {
    checkGlibc(LIBTORCH_GLIBC, 'libtorch')
    return undefined
  } catch (error) {
    return error as TongueforgeError
  }
}
