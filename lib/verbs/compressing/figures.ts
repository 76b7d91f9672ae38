/** How large a model is: foretold from sizes, and counted in what was written. */
import { countParameters, type DecoderSpec as ModelSpec } from '../../checkpoint/model_config'
import { runJob } from '../../native'
import type { Shape } from './stage'

export interface Figures {
  parameters: { total: number; nonzero: number }
  /** Of all weights on disk, without headers. */
  bytes: number
}

const WIDTH = { float32: 4, bfloat16: 2 }

/** Sizes as they are foretold; nothing where only the weights can tell. */
export function foretoldFigures(
  { spec, zeros, unknown }: Shape,
  dtype: 'float32' | 'bfloat16',
): Figures | undefined {
  if (unknown !== undefined) return undefined
  const total = countParameters(spec)
  return { parameters: { total, nonzero: total - zeros }, bytes: WIDTH[dtype] * total }
}

/** As they are in a model folder: every value is read. */
export async function foundFigures(folder: string, _spec: ModelSpec, signal: AbortSignal): Promise<Figures> {
  const { tensors, total_bytes, scan } = await runJob('inspectWeights', { folder, scan: true }, { signal })
  const numbers = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
  const total = tensors.reduce((sum, { shape }) => sum + numbers(shape), 0)
  const zeros = scan!.reduce((sum, { zero }) => sum + zero, 0)
  return { parameters: { total, nonzero: total - zeros }, bytes: total_bytes }
}
