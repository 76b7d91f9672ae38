// The two things that Python does for the set-up: pip downloads wheels, zipfile unpacks them.
import { spawn } from 'node:child_process'
import { devNull } from 'node:os'
import { basename, join } from 'node:path'
import { TongueforgeError } from '../errors'
import { readdir, stat } from '../files'
import { mkdir } from '../writes'
import type { FetchOptions } from './fetch_libtorch'
import { downloadHint } from './wheels_folder'

const WITHOUT_PIP = 'set LIBTORCH to an unpacked libtorch, or use: npx tongueforge setup --from FOLDER'

/** Downloads wheels of the requirements into a folder. `dependencies`: what they need, too. */
export async function downloadWheels(
  requirements: string[],
  folder: string,
  options: FetchOptions & { dependencies: boolean },
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const command = ['-m', 'pip', 'download', '--only-binary=:all:', '--progress-bar=off', '--no-input']
  command.push('--disable-pip-version-check', '--dest', folder)
  if (!options.dependencies) command.push('--no-deps')
  const index = process.env.TONGUEFORGE_TORCH_INDEX
  if (options.wheels) command.push('--isolated', '--no-index', '--find-links', options.wheels)
  else if (index) command.push('--index-url', index)
  const watch = watchDownload(folder, options)
  try {
    // pip writes what it downloads into TMPDIR first: there the growing file can be seen.
    const { code, text } = await python([...command, ...requirements], watch.onText, options.signal, {
      TMPDIR: folder,
      ...(options.wheels && { PIP_CONFIG_FILE: devNull }), // the wheels of that folder, no others
    })
    if (code !== 0) throw pipFailure(text, requirements, await givenWheels(options))
  } finally {
    watch.stop()
  }
}

/** Unpacks every wheel of a folder into a site folder, as an installation would lay them out. */
export async function unpackWheels(folder: string, site: string, signal?: AbortSignal): Promise<void> {
  const wheels = (await readdir(folder)).filter(isWheel)
  for (const wheel of wheels) {
    const { code, text } = await python(['-m', 'zipfile', '-e', join(folder, wheel), site], undefined, signal)
    if (code === 0) continue
    if (/No space left/.test(text)) throw noSpace(text)
    throw new TongueforgeError('ERR_LIBTORCH', `cannot unpack ${wheel}: ${lastLine(text)}`, {
      hint: 'the download is damaged: try again',
      details: { wheel },
    })
  }
}

/** Reports twice a second what has arrived; of a single wheel also its size, once pip has named it. */
function watchDownload(
  folder: string,
  { onProgress, dependencies }: FetchOptions & { dependencies: boolean },
): { onText(text: string): void; stop(): void } {
  let step = 'asking the package index'
  let total: number | undefined
  const look = async () => onProgress?.({ step, done: await wheelBytes(folder), total })
  const timer = setInterval(() => void look().catch(() => {}), 500)
  onProgress?.({ step })
  return {
    onText(text) {
      const said = /(?:Downloading|Processing) (?:\S*\/)?([^\s/-]+)-\S*\.whl(?: \(([\d.]+) ([kMG])B\))?/.exec(
        text,
      )
      if (!said) return
      step = `downloading ${said[1]}`
      const unit = { k: 1e3, M: 1e6, G: 1e9 }[said[3] ?? '']
      if (!dependencies && unit) total = Number(said[2]) * unit
    },
    stop: () => clearInterval(timer),
  }
}

// pip downloads into folders of its own and copies at the end: a name counts once.
async function wheelBytes(folder: string): Promise<number> {
  const sizes = new Map<string, number>()
  for (const path of await readdir(folder, { recursive: true, encoding: 'utf8' })) {
    if (!isWheel(path)) continue
    const { size } = await stat(join(folder, path))
    sizes.set(basename(path), Math.max(size, sizes.get(basename(path)) ?? 0))
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

interface Answer {
  code: number
  text: string
}

/** Runs python3 and collects what it says. Aborting the signal ends it; the promise rejects with the reason. */
export function python(
  args: string[],
  onText?: (text: string) => void,
  signal?: AbortSignal,
  variables: Record<string, string> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const child = spawn('python3', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...variables, PYTHONUNBUFFERED: '1', LC_ALL: 'C.UTF-8' },
    })
    const end = () => child.kill()
    signal?.addEventListener('abort', end, { once: true })
    let text = ''
    const hear = (chunk: string) => {
      text += chunk
      onText?.(chunk)
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    child.on('error', () => reject(noPython()))
    child.on('close', (code) => {
      signal?.removeEventListener('abort', end)
      if (signal?.aborted) reject(signal.reason)
      else resolve({ code: code ?? 1, text })
    })
  })
}

function noPython(): TongueforgeError {
  return new TongueforgeError('ERR_LIBTORCH', 'fetching libtorch needs python3, which was not found', {
    hint: `install python3 and its pip; or ${WITHOUT_PIP}`,
  })
}

/** ERR_NO_SPACE, with what was said of it. */
export function noSpace(text: string): TongueforgeError {
  return new TongueforgeError('ERR_NO_SPACE', `no space left while fetching libtorch: ${lastLine(text)}`, {
    hint: 'free some space, or set TONGUEFORGE_CACHE to a folder on another disk',
  })
}

const OFFLINE =
  /NewConnectionError|NameResolutionError|Temporary failure in name resolution|ConnectTimeout|ReadTimeout|timed out|Network is unreachable|Connection (refused|reset|broken)|ProxyError|SSLError/

interface GivenWheels {
  folder: string
  names: string[]
  /** The version of torch that is to be taken from them. */
  version?: string | undefined
}

async function givenWheels({ wheels, version }: FetchOptions): Promise<GivenWheels | undefined> {
  if (wheels === undefined) return undefined
  return { folder: wheels, names: (await readdir(wheels)).filter(isWheel), version }
}

const isWheel = (name: string) => name.endsWith('.whl')

/**
 * What went wrong, from what pip said: one clear error for each of the usual causes. `given`: wheels that it had to take,
 * no index. Exported for its test.
 */
export function pipFailure(text: string, requirements: string[], given?: GivenWheels): TongueforgeError {
  const what = requirements.join(', ')
  if (/No module named pip/.test(text)) {
    return new TongueforgeError('ERR_LIBTORCH', 'fetching libtorch needs pip, which python3 does not have', {
      hint: `install it (Debian: apt install python3-pip; elsewhere: python3 -m ensurepip); or ${WITHOUT_PIP}`,
    })
  }
  if (/No space left/.test(text)) return noSpace(text)
  if (OFFLINE.test(text)) {
    return new TongueforgeError('ERR_LIBTORCH', `pip could not reach the package index for ${what}`, {
      hint: `check the network, or name another index in TONGUEFORGE_TORCH_INDEX; or ${WITHOUT_PIP}`,
      details: { pip: lastLine(text) },
    })
  }
  if (/No matching distribution|Could not find a version/.test(text)) {
    const missing = /No matching distribution found for (.+)$/m.exec(text)?.[1] ?? what
    if (given) return lacking(missing, given, lastLine(text))
    return new TongueforgeError(
      'ERR_LIBTORCH',
      `the package index has no wheel of ${what} for this Python and machine`,
      {
        hint: `torch needs Python 3.10 to 3.14 (see python3 --version); or ${WITHOUT_PIP}`,
        details: { pip: lastLine(text) },
      },
    )
  }
  return new TongueforgeError('ERR_LIBTORCH', `pip could not download ${what}: ${lastLine(text)}`, {
    hint: WITHOUT_PIP,
  })
}

function lacking(what: string, { folder, names, version }: GivenWheels, pip: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_LIBTORCH',
    `${folder} has no wheel of ${what} for this Python and machine; it holds ${names.join(', ')}`,
    { hint: downloadHint(version), details: { path: folder, pip } },
  )
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}
