// Puts a libtorch where the addon and the build find it, or says that one is there already.
import { existsSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { findAddon, inClone, missingAddon } from '../addon/find'
import type { AddonFile } from '../addon/record'
import { checkPlatform } from '../addon/system'
import { tryOut } from '../addon/trial'
import { TongueforgeError } from '../errors'
import { readdir, realpath, stat } from '../files'
import { checkFit, checkPackage, findCudaLibtorch, findLibtorch, missingCuda } from '../libtorch'
import {
  cacheFolder,
  isSupported,
  type Libtorch,
  minorVersion,
  readLibtorch,
  SUPPORTED_VERSIONS,
  usableCacheFolder,
} from '../libtorch_folders'
import { mkdir, rm, symlink } from '../writes'
import { type FetchOptions, fetchLibtorch } from './fetch_libtorch'
import { downloadHint, isTorchWheel, versionAmong } from './wheels_folder'

/**
 * Finds a libtorch (with `cuda`: one that has CUDA), else fetches it into the cache. Where a prebuilt addon is installed
 * it is one that fits it, and the two are tried together.
 */
export async function ensureLibtorch(options: FetchOptions = {}): Promise<Libtorch> {
  checkPlatform()
  const addon = prebuiltAddon()
  const wanted = addon?.record.torch_version
  const found = options.cuda ? findCudaLibtorch(addon?.record) : findLibtorch(addon?.record)
  if (!addon) return found ?? (await fetchLibtorch(options))
  const fits = found && (found.source === 'LIBTORCH' || minorVersion(found.version) === minorVersion(wanted!))
  return tried(
    addon,
    fits ? found : await fetchLibtorch({ ...options, version: wanted, check: fitting(addon) }),
  )
}

/** Undefined in a clone, which builds its addon for the libtorch that there is. Throws ERR_ADDON, ERR_PLATFORM. */
function prebuiltAddon(): AddonFile | undefined {
  const addon = findAddon()
  if (!addon && !inClone()) throw missingAddon() // no libtorch would help
  if (!addon?.package) return undefined
  checkPackage(addon)
  return addon
}

const fitting = (addon: AddonFile) => (libtorch: Libtorch) => checkFit(addon, libtorch)

function tried(addon: AddonFile, libtorch: Libtorch): Libtorch {
  checkFit(addon, libtorch)
  tryOut(addon, libtorch)
  return libtorch
}

/**
 * Fills the cache from a folder instead of a package index: one that holds wheels of torch (unpacked into the
 * cache), or a libtorch itself (linked, so it has to stay where it is). What the cache had of that version is replaced.
 */
export async function libtorchFrom(folder: string, options: FetchOptions = {}): Promise<Libtorch> {
  checkPlatform()
  const addon = prebuiltAddon()
  const found = readLibtorch(folder, 'cache')
  if (found && options.cuda && found.cuda === null) throw missingCuda([found])
  if (found) {
    if (addon) tried(addon, found) // before the link: a cache keeps what fits
    return link(found, options)
  }
  const names = await namesIn(folder)
  if (names.some(isTorchWheel)) {
    const version = versionAmong(names, addon?.record.torch_version)
    const check = addon && fitting(addon)
    const fetched = await fetchLibtorch({ ...options, wheels: resolve(folder), version, check })
    return addon ? tried(addon, fetched) : fetched
  }
  throw new TongueforgeError(
    'ERR_NOT_FOUND',
    `--from: expected a folder with a libtorch (lib/libtorch_cpu.so) or a wheel of torch, received ${folder}`,
    { hint: downloadHint(addon?.record.torch_version), details: { path: folder } },
  )
}

/** None of a folder that is not there. Throws ERR_NOT_FOUND for a file. */
async function namesIn(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return []
  if ((await stat(folder)).isDirectory()) return readdir(folder)
  throw new TongueforgeError('ERR_NOT_FOUND', `--from: expected a folder, received the file ${folder}`, {
    hint: `npx tongueforge setup --from ${dirname(folder)}`,
    details: { path: folder },
  })
}

async function link(found: Libtorch, { cuda }: FetchOptions): Promise<Libtorch> {
  if (!isSupported(found.version)) {
    throw new TongueforgeError(
      'ERR_LIBTORCH',
      `--from: expected libtorch ${SUPPORTED_VERSIONS.join(', ')}, received ${found.version}`,
      { hint: 'npx tongueforge setup fetches a supported version', details: { path: found.path } },
    )
  }
  const place = join(cacheFolder(), `libtorch-${found.version.split('+')[0]}${cuda ? '-cuda' : ''}`)
  const real = await realpath(found.path) // not a way that leads through the link which is replaced
  const replaced = await realpath(place).catch(() => place)
  if (real.startsWith(replaced + sep)) return found // it is what is in the cache already
  await rm(place, { recursive: true, force: true }) // a link inside is removed, what it points at stays
  await mkdir(place, { recursive: true })
  await symlink(real, join(place, 'torch'))
  return { ...found, path: join(place, 'torch') }
}

/** Removes every libtorch, also unfinished ones, what was tried on them, and all encoded data from the cache; answers with the folders removed. */
export async function cleanCache(): Promise<string[]> {
  const cache = usableCacheFolder()
  if (!existsSync(cache)) return []
  const places = (await readdir(cache))
    .filter((name) => /^(libtorch-|\.tmp-)/.test(name) || ['data', 'downloads', 'trials'].includes(name))
    .map((name) => join(cache, name))
  for (const place of places) await rm(place, { recursive: true, force: true })
  return places
}
