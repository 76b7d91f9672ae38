// Finds libtorch, and loads the native addon on top of it. Importing this file loads nothing: the first call that
// needs a tensor pays for libtorch (a few tenths of a second).
//
// Searched in this order: LIBTORCH, the libtorch that this addon was built with, an importable Python torch,
// the cache that the set-up fills. The second stands before Python so that a built addon starts no Python process.
import { findAddon, inClone, installCommand, missingAddon } from './addon/find'
import { loadFailure } from './addon/load_failure'
import { loadOn } from './addon/preload'
import type { AddonFile, BuildRecord } from './addon/record'
import { checkPlatform } from './addon/system'
import { tryOut } from './addon/trial'
import { TongueforgeError } from './errors'
import {
  CUDA_INDEX,
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
import { VERSION } from './version'

/** What a built addon wants of a libtorch. */
type Wanted = Pick<BuildRecord, 'torch_version' | 'cuda'>

/**
 * Finds a libtorch of a supported version, or undefined. LIBTORCH is obeyed or refused (ERR_LIBTORCH); after it the
 * first place wins, but one that fits the addon `wanted` goes before one that does not.
 */
export function findLibtorch(wanted?: Wanted): Libtorch | undefined {
  return namedLibtorch() ?? bestOf(everywhere(), wanted)
}

/**
 * Finds the libtorch that a build for CUDA takes: LIBTORCH, else Python's, else one of the cache; one that fits the addon
 * `wanted` before others. Throws ERR_LIBTORCH where LIBTORCH names a CPU build.
 */
export function findCudaLibtorch(wanted?: Wanted): Libtorch | undefined {
  const named = namedLibtorch()
  if (named && named.cuda === null) throw missingCuda([named])
  const withCuda = [pythonLibtorch(), ...cachedLibtorchs()].filter((found) => found && found.cuda !== null)
  return named ?? bestOf(withCuda, wanted)
}

// One by one: no Python process starts where an earlier place has what fits.
function* everywhere(): Generator<Libtorch | undefined> {
  yield builtWith()
  yield pythonLibtorch()
  yield* cachedLibtorchs()
}

/** The first that fits, else the first of the version, else the first. */
function bestOf(places: Iterable<Libtorch | undefined>, wanted?: Wanted): Libtorch | undefined {
  let ofVersion: Libtorch | undefined
  let first: Libtorch | undefined
  for (const found of places) {
    if (!found) continue
    const isOfVersion = !wanted || isSameMinor(found.version, wanted.torch_version)
    if (isOfVersion && !(wanted?.cuda && found.cuda === null)) return found
    if (isOfVersion) ofVersion ??= found
    first ??= found
  }
  return ofVersion ?? first
}

const isSameMinor = (one: string, other: string) => minorVersion(one) === minorVersion(other)

/** ERR_LIBTORCH: a build for CUDA was asked for, and this is what was found. */
export function missingCuda(
  found = [pythonLibtorch(), ...cachedLibtorchs()].filter((one) => one !== undefined),
): TongueforgeError {
  const wanted = 'the site-packages/torch of a torch with CUDA'
  const named = found.some(({ source }) => source === 'LIBTORCH')
  const fetch = `TONGUEFORGE_TORCH_INDEX=${CUDA_INDEX} npx tongueforge setup --cuda`
  const received = found.map(({ version, path, source }) => `${version} for the CPU (${source}: ${path})`)
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `--cuda: expected a libtorch with CUDA, found ${received.join(' and ') || 'none'}`,
    {
      hint: named
        ? `point LIBTORCH at ${wanted}; or unset it, and fetch one: ${fetch}`
        : `set LIBTORCH to ${wanted}; or fetch one: ${fetch}`,
      details: { found: found.map(({ path }) => path) },
    },
  )
}

function builtWith(): Libtorch | undefined {
  const path = findAddon()?.record.torch_path
  return path ? supported(readLibtorch(path, 'build')) : undefined
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
  checkPackage(addon)
  const libtorch = findLibtorch(addon.record)
  if (!libtorch) throw missingLibtorch()
  checkFit(addon, libtorch)
  if (addon.package) tryOut(addon, libtorch)
  try {
    return loadOn(libtorch.path, addon.path)
  } catch (cause) {
    throw loadFailure((cause as Error).message, { addon, libtorch }, cause)
  }
}

/** Throws ERR_ADDON where a prebuilt package is not of the version of the main one. */
export function checkPackage({ path, record, package: name }: AddonFile): void {
  if (name === undefined || record.version === VERSION) return
  throw new TongueforgeError(
    'ERR_ADDON',
    `expected ${name} ${VERSION}, as tongueforge itself, received ${record.version}`,
    { hint: installCommand(name), details: { path, expected: VERSION, received: record.version } },
  )
}

/** Throws ERR_LIBTORCH unless the found libtorch has the major.minor, and the CUDA, that the addon was built with. */
export function checkFit(addon: AddonFile, libtorch: Libtorch): void {
  const { torch_version: built, cuda } = addon.record
  const own = inClone() && !addon.package // it can be built anew for another libtorch
  const details = { addon: addon.path, built_with: built, libtorch: libtorch.path, found: libtorch.version }
  if (!isSameMinor(built, libtorch.version)) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `the addon was built with libtorch ${built}, but libtorch ${libtorch.version} was found (${libtorch.source})`,
      {
        hint: own
          ? `npm run build makes an addon for ${libtorch.version}; or set LIBTORCH to a libtorch ${minorVersion(built)}`
          : fetchHint(libtorch, `a libtorch ${minorVersion(built)}`, 'npx tongueforge setup'),
        details,
      },
    )
  }
  if (cuda && libtorch.cuda === null) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `the addon was built for CUDA, but the libtorch found (${libtorch.source}) is a CPU build`,
      {
        hint: own
          ? 'set LIBTORCH to a libtorch with CUDA; or npm run build makes an addon for the CPU'
          : fetchHint(
              libtorch,
              `a libtorch ${minorVersion(built)} with CUDA`,
              'npx tongueforge setup --cuda',
            ),
        details,
      },
    )
  }
}

// What LIBTORCH names is obeyed or refused: beside it nothing is fetched.
function fetchHint({ source }: Libtorch, wanted: string, command: string): string {
  const fetches = `${command} fetches ${wanted}`
  return source === 'LIBTORCH' ? `point LIBTORCH at ${wanted}; or unset it: ${fetches}` : fetches
}

/** ERR_LIBTORCH: nowhere a libtorch of a supported version. */
export function missingLibtorch(): TongueforgeError {
  return new TongueforgeError('ERR_LIBTORCH', `found no libtorch (${SUPPORTED_VERSIONS.join(', ')})`, {
    hint: 'npx tongueforge setup',
    details: { searched: ['LIBTORCH', 'the build', 'python3', cacheFolder()] },
  })
}
