// What the addon asks of a machine: system, processor, C library. Each is one clear error where it is missing.
import { readFileSync } from 'node:fs'
import { TongueforgeError } from '../errors'

/** The oldest glibc that the wheels of libtorch run on. */
export const LIBTORCH_GLIBC = '2.28'

/** Throws ERR_PLATFORM where neither the addon nor the wheels of libtorch run. */
export function checkPlatform(): void {
  if (process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)) return
  throw new TongueforgeError(
    'ERR_PLATFORM',
    `expected Linux on x64 or arm64, received ${process.platform} on ${process.arch}`,
    { hint: 'use a Linux machine, virtual machine or container' },
  )
}

/** The version of glibc that Node runs on, "2.36"; undefined where the C library is another. Costs some 5 ms. */
export function glibcVersion(): string | undefined {
  Object.assign(process.report, { excludeNetwork: true })
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime
}

/** Throws ERR_PLATFORM where the C library is no glibc, or an older one than `what` needs. */
export function checkGlibc(needed: string, what: string, found = glibcVersion()): void {
  if (found !== undefined && !isOlder(found, needed)) return
  const received = found === undefined ? 'another C library (musl?)' : `glibc ${found}`
  throw new TongueforgeError(
    'ERR_PLATFORM',
    `expected glibc ${needed} or newer, which ${what} needs, received ${received}`,
    {
      hint:
        found === undefined
          ? 'use a system with glibc, such as the Debian images of Node (node:20-slim) instead of those of Alpine'
          : 'use a newer system or container: Debian 12, Ubuntu 22.04 and what is newer will do',
      details: { needed, found: found ?? null },
    },
  )
}

/** Whether a version of numbers between points is older than another. */
export function isOlder(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]]
  const at = right.findIndex((part, i) => part !== (left[i] ?? 0))
  return at >= 0 && (left[at] ?? 0) < right[at]!
}

/** The processor as Linux describes it: model and instructions; empty where it does not. */
export function processor(): { model: string; flags: readonly string[] } {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8')
    const field = (name: RegExp) => name.exec(text)?.[1] ?? ''
    return {
      model: field(/^(?:model name|CPU part)\s*:\s*(.*)$/m),
      flags: field(/^(?:flags|Features)\s*:\s*(.*)$/m).split(' '),
    }
  } catch {
    return { model: '', flags: [] }
  }
}
