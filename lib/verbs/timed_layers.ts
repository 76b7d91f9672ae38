/** Layers that are faster by another product than the dense one, pruned or quantised ones: which they are, timing says. */
import { wordOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import { type Handle, type JobCallbacks, type PackedLayer, runJob, type SparseLayer } from '../native'

const SPARSE = ['auto', 'never'] as const
const QUANTIZED = ['dense', 'auto', 'packed'] as const

/** auto: layer by layer whatever is faster; never: as if there were no zeros. */
export type SparseChoice = (typeof SPARSE)[number]
/** dense: by the weights; auto: layer by layer whatever is faster; packed: by the codes, weights leave memory. */
export type QuantizedChoice = (typeof QUANTIZED)[number]

export interface LayerChoices {
  sparse?: SparseChoice | undefined
  quantized?: QuantizedChoice | undefined
}

/** The layers that were timed, and how they are multiplied from now on; of a kind that was not asked for, nothing. */
export interface TimedLayers {
  sparse?: SparseLayer[]
  packed?: PackedLayer[]
}

interface TimingOptions extends JobCallbacks {
  /** That a layer is timed with beside one: those of a prompt. */
  rows?: number
  threads: number
}

const PROMPT_ROWS = 128

/** Throws ERR_USAGE for other words. */
export async function timedLayers(
  model: Handle,
  { sparse = 'never', quantized = 'dense' }: LayerChoices,
  { rows = PROMPT_ROWS, threads, signal }: TimingOptions,
): Promise<TimedLayers> {
  wordOption('sparse', sparse, SPARSE)
  wordOption('quantized', quantized, QUANTIZED)
  const options = { model, rows, threads }
  const timed: TimedLayers = {}
  if (sparse === 'auto') timed.sparse = await runJob('useSparseLayers', options, { signal })
  if (quantized !== 'dense') {
    const keep_weights = quantized === 'auto'
    timed.packed = await runJob('usePackedLayers', { ...options, keep_weights }, { signal })
    if (!keep_weights && timed.packed.length === 0) throw nothingToPack()
  }
  return timed
}

const nothingToPack = () =>
  new TongueforgeError(
    'ERR_USAGE',
    'quantized: expected layers that can be multiplied packed, received none',
    {
      hint: 'Products of whole numbers are there for bfloat16 on the CPU: 8 bits with a scale for each output, symmetric, or 4 bits in groups of 32 inputs or a multiple. Set dtype, or leave quantized out.',
    },
  )
