/** Whether a model descends from the base of a delta: what can be known of it, and what can be measured. */
import { join } from 'node:path'
import { baseHashes, type DeltaFolder } from '../../checkpoint/delta_folder'
import { readJsonObjectIfPresent } from '../../checkpoint/json_file'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { InputRecord } from '../../checkpoint/provenance'
import { TongueforgeError } from '../../errors'
import { runJob } from '../../native'

export interface Descent {
  /** How it was found; `force`: it was not, and did not matter. */
  by: 'provenance' | 'distance' | 'force'
  /** Median over the matrices of |target - base| / |base|; absent where none could be compared, or need be. */
  distance?: number
  /** Matrices that were compared. */
  tensors?: number
}

/**
 * A model that has nothing to do with the base is at 1 or more, whatever the size of its weights: |t - b|^2 = |t|^2 + |b|^2
 * for what is at right angles, as random weights nearly are. Below 0.9 the angle is under 65 degrees, for 64 samples
 * of each of many matrices no chance.
 */
const FARTHEST = 0.9

/** Throws ERR_WRONG_BASE, unless `force`. */
export async function checkDescent(
  target: ModelFolder,
  delta: DeltaFolder,
  force: boolean,
): Promise<Descent> {
  if (await isNamed(target, delta)) return { by: 'provenance' }
  const { median, tensors } = await runJob('deltaDistance', { path: delta.file, model: target.path })
  const measured = tensors > 0 ? { distance: median, tensors } : {}
  if (tensors > 0 && median < FARTHEST) return { by: 'distance', ...measured }
  if (force) return { by: 'force', ...measured }
  throw wrongBase(target, delta, measured)
}

/** Whether the target's provenance names the weight files of the base. */
async function isNamed({ path }: ModelFolder, delta: DeltaFolder): Promise<boolean> {
  const origin = await readJsonObjectIfPresent(join(path, 'provenance.json'), { code: 'ERR_DATA' })
  const inputs = (Array.isArray(origin?.inputs) ? origin.inputs : []) as InputRecord[]
  const known = new Set(inputs.flatMap(({ files }) => files ?? []).map(({ sha256 }) => sha256))
  const hashes = Object.values(baseHashes(delta))
  return hashes.length > 0 && hashes.every((hash) => known.has(hash))
}

function wrongBase(target: ModelFolder, delta: DeltaFolder, measured: Partial<Descent>): TongueforgeError {
  const found =
    measured.distance === undefined
      ? 'one with no matrix in common'
      : `one at a distance of ${measured.distance.toPrecision(3)} (0 is the base itself, ${FARTHEST} the bound, 1 and more a stranger)`
  return new TongueforgeError(
    'ERR_WRONG_BASE',
    `${target.path}: expected a model that descends from the base of ${delta.path}, received ${found}`,
    {
      hint: 'Extract the delta from the base that this model was made from. If you know better: --force',
      details: { target: target.path, delta: delta.path, ...measured, bound: FARTHEST },
    },
  )
}
