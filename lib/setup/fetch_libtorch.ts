// Fetches libtorch as the wheel of torch: download with pip, unpack, check against the wheel's own list of hashes,
// publish by one rename. Nothing of the user's Python environments is touched, and no code of the wheel is run.
//
// All work happens in a folder of its own inside the cache: a run that was killed leaves no half libtorch, and the
// next one removes what it left. Two runs at once both work; the first rename wins and the other takes its result, unless
// wheels were named.
import { dirname, join } from 'node:path'
import { checkGlibc, LIBTORCH_GLIBC } from '../addon/system'
import { TongueforgeError } from '../errors'
import { statfs } from '../files'
import { missingCuda } from '../libtorch'
import { FETCHED_VERSION, type Libtorch, readLibtorch, usableCacheFolder } from '../libtorch_folders'
import { removeWork, workFolder } from '../work_paths'
import { rename, rm } from '../writes'
import { downloadWheels, unpackWheels } from './pip'
import { canResume, downloadResumably } from './resumable'
import { cudaRequirements, verifyLibraries } from './wheel'

/** What the fetch is doing; done and total are bytes, total unknown until pip has said it. */
export interface FetchProgress {
  step: string
  done?: number
  total?: number | undefined
}

export interface FetchOptions {
  onProgress?: ((progress: FetchProgress) => void) | undefined
  signal?: AbortSignal | undefined
  /** A folder of wheels to take instead of asking a package index. */
  wheels?: string | undefined
  /** The version of torch; the set-up's own where none is said. */
  version?: string | undefined
  /** Only a build with CUDA will do; it gets a folder of its own beside one for the CPU. */
  cuda?: boolean | undefined
  /** Throws where what was fetched will not do: it is asked before the cache has it. */
  check?: ((libtorch: Libtorch) => void) | undefined
}

/** Fetches libtorch into the cache. Throws ERR_PLATFORM, ERR_LIBTORCH, ERR_NO_SPACE, ERR_IO; leaves the cache as it was on failure. */
export async function fetchLibtorch(options: FetchOptions = {}): Promise<Libtorch> {
  checkGlibc(LIBTORCH_GLIBC, 'libtorch')
  const cache = usableCacheFolder()
  const work = await workFolder(cache)
  try {
    const made = await fetchInto(work, options)
    return await publish(made, join(cache, folderName(options)), options)
  } finally {
    await removeWork(work)
  }
}

function folderName({ cuda, version = FETCHED_VERSION }: FetchOptions): string {
  return `libtorch-${version}${cuda ? '-cuda' : ''}`
}

async function fetchInto(work: string, options: FetchOptions): Promise<Libtorch> {
  const site = join(work, 'site')
  await needSpace(work, 1.5, 'libtorch')
  await addWheels(work, [`torch==${options.version ?? FETCHED_VERSION}`], { ...options, dependencies: false })
  const found = readLibtorch(site, 'cache')
  if (!found) throw noLibtorch(options)
  const { cuda } = found
  if (options.cuda && !cuda) throw missingCuda([{ ...found, path: wheelsOrigin(options) }])
  options.check?.(found)
  if (cuda) {
    // A CUDA build does not even load for the CPU without CUDA's own libraries; it looks for them in ../../nvidia.
    await needSpace(work, 10, `libtorch with CUDA ${cuda}`)
    await addWheels(work, await cudaRequirements(site), { ...options, dependencies: true })
  }
  options.onProgress?.({ step: 'checking the libraries' })
  await verifyLibraries(site)
  return found
}

function noLibtorch(options: FetchOptions): TongueforgeError {
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `${wheelsOrigin(options)}: its wheel of torch holds no libtorch`,
    {
      hint: 'npx tongueforge setup --from FOLDER takes another one',
    },
  )
}

function wheelsOrigin({ wheels }: FetchOptions): string {
  return wheels ?? process.env.TONGUEFORGE_TORCH_INDEX ?? "pip's package index"
}

/** Downloads the requirements and unpacks them into work/site. The wheels go as soon as they are unpacked. */
async function addWheels(
  work: string,
  requirements: string[],
  options: FetchOptions & { dependencies: boolean },
): Promise<void> {
  const wheels = join(work, 'wheels')
  // From a folder there is nothing to download; else what goes on after a break is tried first.
  const resumable = !options.wheels && (await canResume(options.signal))
  const arrived = resumable && (await downloadResumably(requirements, wheels, options))
  if (!arrived) await downloadWheels(requirements, wheels, options)
  options.onProgress?.({ step: 'unpacking' })
  await unpackWheels(wheels, join(work, 'site'), options.signal)
  await rm(wheels, { recursive: true })
}

async function needSpace(folder: string, gigabytes: number, what: string): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const free = (bavail * bsize) / 1e9
  if (free >= gigabytes) return
  throw new TongueforgeError(
    'ERR_NO_SPACE',
    `${what} needs ${gigabytes} GB while it is unpacked; ${folder} has ${free.toFixed(1)} GB free`,
    {
      hint: 'free some space, or set TONGUEFORGE_CACHE to a folder on another disk',
      details: { path: folder },
    },
  )
}

/** Puts what was made in its place. A libtorch that lies there stays, unless the new one was named: then it goes. */
async function publish(made: Libtorch, place: string, { wheels }: FetchOptions): Promise<Libtorch> {
  const site = dirname(made.path)
  for (let attempt = 0; attempt < 3; attempt++) {
    if (await moved(site, place, ['ENOTEMPTY', 'EEXIST'])) return { ...made, path: join(place, 'torch') }
    const found = readLibtorch(join(place, 'torch'), 'cache')
    if (found && !wheels) return found
    await moved(place, `${site}-before-${attempt}`, ['ENOENT']) // it goes with the work folder
  }
  throw new TongueforgeError('ERR_IO', `cannot publish libtorch at ${place}`, { details: { path: place } })
}

/** Renames; false for what another process may have made of the place. */
async function moved(from: string, to: string, expected: string[]): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (expected.includes(String((error as TongueforgeError).details.errno))) return false
    throw error
  }
}
