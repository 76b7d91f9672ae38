/** What besides the config decides the last bits: resuming is exact where all of it is as it was. */
import type { TrainConfig } from '../../config/train'
import { native } from '../../native'
import { VERSION } from '../../version'

export interface Environment {
  tongueforge: string
  libtorch: string
  /** Vector extensions: DEFAULT, AVX2, AVX512. */
  cpu_capability: string
  threads: number
  /** Where it is not the CPU. */
  device?: string
  /** That trained together, where they are several. */
  processes?: number
}

export function environment(
  { threads, device }: Pick<TrainConfig, 'threads' | 'device'>,
  processes = 1,
): Environment {
  const info = native().runtimeInfo()
  return {
    tongueforge: VERSION,
    libtorch: info.torch_version,
    cpu_capability: info.cpu_capability,
    threads: threads || info.threads,
    ...(device !== 'cpu' && { device: 'cuda' }), // whichever of several: they are alike
    ...(processes > 1 && { processes }),
  }
}

/** What is meant where nothing is said. */
const ABSENT = { device: 'cpu', processes: 1 }

/** Says what has changed since a checkpoint was made; undefined where nothing has. */
export function inexactness(then: Environment, now: Environment): string | undefined {
  const keys = Object.keys({ ...now, ...ABSENT }) as (keyof Environment)[]
  const changed = keys.filter((key) => then[key] !== now[key])
  if (changed.length === 0) return undefined
  const value = (of: Environment, key: keyof Environment) => of[key] ?? ABSENT[key as keyof typeof ABSENT]
  const changes = changed.map((key) => `${key} ${value(then, key)} -> ${value(now, key)}`).join(', ')
  return `the checkpoint was made with other means (${changes}): the result will be as good, but not the same to the bit`
}

/** What provenance.json says of it. */
export function numerics({ dtype }: { dtype: string }): Record<string, string> {
  const { torch_version, cpu_capability } = native().runtimeInfo()
  return { dtype, libtorch: torch_version, cpu_capability }
}
