// A folder of wheels that were downloaded elsewhere: which torch is taken from it, and how one is made.
import { TongueforgeError } from '../errors'
import {
  CPU_INDEX,
  FETCHED_VERSION,
  isSupported,
  minorVersion,
  SUPPORTED_VERSIONS,
} from '../libtorch_folders'

/** The next thing to type where a folder lacks something: it needs a network, and the Python of the machine it is for. */
export function downloadHint(version = FETCHED_VERSION): string {
  const command = `pip download torch==${version} --dest downloads`
  return `where there is a network, and the same version of Python: ${command} --no-deps --index-url ${CPU_INDEX} (for the CPU), or ${command} (with CUDA)`
}

const TORCH = /^torch-(\d[\d.]*)\S*\.whl$/

/** Whether a name is that of a wheel of torch. */
export const isTorchWheel = (name: string) => TORCH.test(name)

/**
 * The version of torch to take from wheels: the one that would be fetched, else the newest that fits. `built`: that of the
 * addon which it is for. Throws ERR_LIBTORCH where none fits.
 */
export function versionAmong(names: readonly string[], built?: string): string {
  const versions = names.flatMap((name) => TORCH.exec(name)?.[1] ?? [])
  const wanted = built ?? FETCHED_VERSION
  if (versions.includes(wanted)) return wanted
  const fits = built ? (one: string) => minorVersion(one) === minorVersion(built) : isSupported
  const found = versions
    .filter(fits)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
  if (found) return found
  throw new TongueforgeError(
    'ERR_LIBTORCH',
    `--from: expected a wheel of torch ${built ? minorVersion(built) : SUPPORTED_VERSIONS.join(', ')}, found ${versions.join(', ')}`,
    { hint: downloadHint(wanted), details: { versions } },
  )
}
