/** What the weight files of a model folder hold, by the weights that they stand for. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { type ByteProgress, runJob, type TensorDescription, type ValueCounts } from '../../native'

export interface HeldWeights {
  /** A quantised weight is one tensor, of dtype I4 or I8. */
  tensors: TensorDescription[]
  /** Of all tensors as they are stored, without headers. */
  bytes: number
  scan: ValueCounts[]
}

interface Callbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

/** Reads every value. */
export async function heldWeights(
  folder: string,
  spec: ModelSpec,
  { signal, onProgress }: Callbacks,
): Promise<HeldWeights> {
  const weights = await runJob('inspectWeights', { folder, scan: true }, { signal, onProgress })
  const { tensors, total_bytes: bytes, scan = [] } = weights
  if (spec.kind === 'speech' || spec.quantization === undefined) return { tensors, bytes, scan }
  const packed = await runJob('inspectPacked', { folder }, { signal })
  const parts = new Set(packed.flatMap(({ stored_as }) => stored_as))
  const whole = <Row extends { name: string }>(rows: readonly Row[]) =>
    rows.filter(({ name }) => !parts.has(name))
  return {
    tensors: [
      ...whole(tensors),
      ...packed.map(({ name, shape, bits }) => ({ name, dtype: `I${bits}`, shape })),
    ],
    bytes,
    scan: [...whole(scan), ...packed.map(({ name, nan, inf, zero }) => ({ name, nan, inf, zero }))],
  }
}
