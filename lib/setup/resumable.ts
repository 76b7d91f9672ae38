// Downloads the wheels that pip would, so that a download which breaks goes on where it stopped: pip tells addresses and
// hashes, Python's own urllib fetches. What has arrived lies in `downloads` of the cache until it is whole; its name is
// the hash that it must have, and the process that writes it. Whatever stands in the way (an old pip, an index without
// hashes, a proxy that only pip knows) leaves it to pip itself.
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { TongueforgeError } from '../errors'
import { readdir } from '../files'
import { cacheFolder } from '../libtorch_folders'
import { isGone, OWNER, thisOwner } from '../work_paths'
import { mkdir, rename, rm } from '../writes'
import type { FetchOptions } from './fetch_libtorch'
import { noSpace, python } from './pip'

interface Wheel {
  url: string
  sha256: string
}

type DownloadOptions = FetchOptions & { dependencies: boolean }

/** Whether pip tells what it would download without downloading it: from 23.3 on. */
export async function canResume(signal?: AbortSignal): Promise<boolean> {
  const { text } = await python(['-m', 'pip', '--version'], undefined, signal)
  return tellsWithoutDownload(text)
}

/** Exported for its test. */
export function tellsWithoutDownload(version: string): boolean {
  const [, major = 0, minor = 0] = /^pip (\d+)\.(\d+)/m.exec(version) ?? []
  return Number(major) * 100 + Number(minor) >= 2303
}

/** Downloads the wheels of some requirements into a folder. False: not to be had in this way, pip has to. */
export async function downloadResumably(
  requirements: string[],
  folder: string,
  options: DownloadOptions,
): Promise<boolean> {
  for (const wheel of await wheelsOf(requirements, options)) {
    const arrived = await downloadWheel(wheel, folder, options)
    if (!arrived) return false
  }
  return existsSync(folder) && (await readdir(folder)).length > 0
}

/** What pip would download, from its own report; none where it does not tell each address and hash. */
async function wheelsOf(requirements: string[], options: DownloadOptions): Promise<Wheel[]> {
  const command = ['-m', 'pip', 'install', '--dry-run', '--ignore-installed', '--quiet', '--report', '-']
  command.push('--only-binary=:all:', '--no-input', '--disable-pip-version-check')
  command.push('--use-feature=fast-deps') // reads what a wheel needs from its end, where the index does not tell
  if (!options.dependencies) command.push('--no-deps')
  const index = process.env.TONGUEFORGE_TORCH_INDEX
  if (index) command.push('--index-url', index)
  options.onProgress?.({ step: 'asking the package index' })
  const { code, text } = await python([...command, ...requirements], undefined, options.signal)
  return code === 0 ? reportedWheels(text) : []
}

/** Addresses and hashes of a report of pip; none where one is missing, or is no address. Exported for its test. */
export function reportedWheels(text: string): Wheel[] {
  try {
    const { install } = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as {
      install: { download_info: { url: string; archive_info?: { hashes?: { sha256?: string } } } }[]
    }
    const wheels = install.map(({ download_info: { url, archive_info } }) => ({
      url,
      sha256: archive_info?.hashes?.sha256 ?? '',
    }))
    return wheels.every(({ url, sha256 }) => /^https?:/.test(url) && sha256) ? wheels : []
  } catch {
    return [] // an old pip has no report
  }
}

// Arguments: address, file, hash. Goes on behind what the file has, anew after a break as long as something arrives.
// Prints `done total` now and then (total 0: the server does not tell). Ends with 3 where nothing arrived, 4 for another
// hash, 5 where it broke off, 6 for another hash where nobody told how much there is.
const DOWNLOAD = `import hashlib, http.client, os, ssl, sys, time, urllib.request
url, path, expected = sys.argv[1:]
context = ssl.create_default_context(cafile=os.environ.get('PIP_CERT') or None)
arrived, told, counted = 0, 0, True
for attempt in range(8):
    have, before = os.path.getsize(path) if os.path.exists(path) else 0, arrived
    try:
        request = urllib.request.Request(url, headers={'Range': f'bytes={have}-'} if have else {})
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            goes_on = answer.status == 206
            length = answer.headers['Content-Length']
            counted = length is not None
            total = int(length) + (have if goes_on else 0) if counted else 0
            with open(path, 'ab' if goes_on else 'wb') as file:
                while chunk := answer.read(1 << 16):
                    file.write(chunk)
                    arrived += len(chunk)
                    if time.monotonic() - told > 0.3:
                        told = time.monotonic()
                        print(file.tell(), total, flush=True)
        if not counted or os.path.getsize(path) == total: break
    except urllib.error.HTTPError as error:
        if error.code == 416: break # the file was whole already
        print(error, flush=True)
    except (OSError, http.client.HTTPException) as error:
        print(error, flush=True)
        if getattr(error, 'errno', 0) == 28: sys.exit(5)
    if arrived == before: sys.exit(5 if have else 3)
    time.sleep(1)
else:
    sys.exit(5)
with open(path, 'rb') as file:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20): digest.update(chunk)
sys.exit(0 if digest.hexdigest() == expected else 4 if counted else 6)`

/** Downloads one wheel. Exported for its test; false where it is left to pip. Throws ERR_LIBTORCH where it broke off or is another. */
export async function downloadWheel(
  { url, sha256 }: Wheel,
  folder: string,
  options: DownloadOptions,
): Promise<boolean> {
  const name = basename(decodeURIComponent(new URL(url).pathname))
  const part = await claimPart(sha256)
  const step = `downloading ${name.split('-')[0]}`
  const onText = (text: string) => {
    const [, done, total] = /^(\d+) (\d+)$/m.exec(text) ?? []
    if (done) options.onProgress?.({ step, done: Number(done), total: Number(total) || undefined })
  }
  try {
    const { code, text } = await python(['-c', DOWNLOAD, url, part, sha256], onText, options.signal)
    if (/No space left/.test(text)) throw noSpace(text)
    if (code === 4 || code === 6) await rm(part) // no part of it can be trusted
    if (code === 4 || code === 5) throw brokenOff(name, code, text)
    if (code !== 0) return false
    await mkdir(folder, { recursive: true })
    await rename(part, join(folder, name))
    return true
  } finally {
    if (existsSync(part)) await rename(part, unclaimed(sha256))
  }
}

function brokenOff(name: string, code: number, text: string): TongueforgeError {
  const [message, hint] =
    code === 4
      ? [`${name} has another SHA-256 than its index tells`, 'npx tongueforge setup, to fetch it anew']
      : [`the download of ${name} broke off`, 'npx tongueforge setup, again: it goes on where it stopped']
  const said = text.split('\n').filter((line) => line !== '' && !/^\d+ \d+$/.test(line))
  return new TongueforgeError('ERR_LIBTORCH', [message, ...said.slice(-1)].join(': '), {
    hint,
    details: { wheel: name },
  })
}

function unclaimed(sha256: string): string {
  return join(cacheFolder(), 'downloads', `${sha256}.part`)
}

const PART = new RegExp(`^(\\w+)\\.part(?:\\.${OWNER})?$`)

/** A place for what arrives, with what an earlier process got of it: the name of a part is whose it is. */
async function claimPart(sha256: string): Promise<string> {
  const folder = join(cacheFolder(), 'downloads')
  await mkdir(folder, { recursive: true })
  const own = `${unclaimed(sha256)}.${thisOwner()}`
  for (const name of await readdir(folder)) {
    const [, hash, machine, pid] = PART.exec(name) ?? []
    if (hash !== sha256 || (machine && pid && !isGone(machine, pid))) continue
    await rename(join(folder, name), own).catch(() => {}) // another process may have been faster
    if (existsSync(own)) break
  }
  return own
}
