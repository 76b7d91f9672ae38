/** Pruned layers that are faster when only their non-zeros are multiplied: which they are, timing says. */
import { TongueforgeError } from '../errors'
import { type Handle, type JobCallbacks, runJob, type SparseLayer } from '../native'

/** auto: layer by layer whatever is faster; never: as if there were no zeros. */
export type SparseChoice = 'auto' | 'never'

/** Rows that a layer is timed with beside one: a prompt. */
const PROMPT_ROWS = 128

/** The layers that were timed, and which are sparse from now on; nothing for `never`. Throws ERR_USAGE for other words. */
export async function sparseLayers(
  model: Handle,
  sparse: SparseChoice | undefined,
  { rows = PROMPT_ROWS, threads, signal }: { rows?: number; threads: number } & JobCallbacks,
): Promise<SparseLayer[] | undefined> {
  if (sparse === undefined || sparse === 'never') return undefined
  if (sparse === 'auto') return runJob('useSparseLayers', { model, rows, threads }, { signal })
  throw new TongueforgeError('ERR_USAGE', `sparse: expected auto or never, received '${sparse}'`)
}
