// Puts a libtorch where the addon and the build find it, or says that one is there already.
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { TongueforgeError } from '../errors'
import { checkPlatform, findCudaLibtorch, findLibtorch, missingCuda } from '../libtorch'
import {
  cacheFolder,
  isSupported,
  type Libtorch,
  readLibtorch,
  SUPPORTED_VERSIONS,
} from '../libtorch_folders'
import { type FetchOptions, fetchLibtorch, removeLeftovers } from './fetch_libtorch'

/** Finds a libtorch (with `cuda`: one that has CUDA), else fetches it into the cache. */
export async function ensureLibtorch(options: FetchOptions = {}): Promise<Libtorch> {
  checkPlatform()
  return (options.cuda ? findCudaLibtorch() : findLibtorch()) ?? (await fetchLibtorch(options))
}

/**
 * Fills the cache from a folder instead of a package index: one that holds wheels of torch (unpacked into the
 * cache), or a libtorch itself (linked, so it has to stay where it is).
 */
export async function libtorchFrom(folder: string, options: FetchOptions = {}): Promise<Libtorch> {
  checkPlatform()
  const found = readLibtorch(folder, 'cache')
  if (found && options.cuda && found.cuda === null) throw missingCuda([found])
  if (found) return link(found, options)
  const names = existsSync(folder) ? await readdir(folder) : []
  if (names.some((name) => /^torch-.*\.whl$/.test(name))) {
    return fetchLibtorch({ ...options, wheels: resolve(folder) })
  }
  throw new TongueforgeError(
    'ERR_NOT_FOUND',
    `--from: expected a folder with a libtorch (lib/libtorch_cpu.so) or a wheel of torch, received ${folder}`,
    {
      hint: 'pip download --no-deps torch, on a machine with a network, makes such a folder',
      details: { path: folder },
    },
  )
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
  await rm(place, { recursive: true, force: true }) // a link inside is removed, what it points at stays
  await mkdir(place, { recursive: true })
  await symlink(found.path, join(place, 'torch'))
  return { ...found, path: join(place, 'torch') }
}

/** Removes every libtorch and all encoded data from the cache; answers with the folders removed. */
export async function cleanCache(): Promise<string[]> {
  const cache = cacheFolder()
  if (!existsSync(cache)) return []
  await removeLeftovers(cache)
  const places = (await readdir(cache))
    .filter((name) => name.startsWith('libtorch-') || name === 'data')
    .map((name) => join(cache, name))
  for (const place of places) await rm(place, { recursive: true, force: true })
  return places
}
