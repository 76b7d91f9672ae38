/** How large a model is: foretold from sizes, and counted in what was written. */
import type { LayerSpec } from '../../checkpoint/layers'
import { blockMatrices, countParameters, storedBytes } from '../../counting/parameters'
import { modelSize } from '../../counting/registry'
import { runJob } from '../../native'
import type { ModelAtHand } from './model_at_hand'
import type { Shape } from './stage'

export interface Figures {
  parameters: { total: number; nonzero: number }
  /** Of all weights on disk, without headers. */
  bytes: number
}

/** Sizes as they are foretold; nothing where only the weights can tell. */
export function foretoldFigures(
  { spec, zeros, unknown }: Shape,
  dtype: 'float32' | 'bfloat16',
): Figures | undefined {
  if (unknown !== undefined) return undefined
  const total = countParameters(spec)
  return { parameters: { total, nonzero: total - zeros }, bytes: storedBytes(modelSize(spec), dtype) }
}

export interface FoundFigures extends Figures {
  layers: LayerSpec[]
  /** Exact zeros among the weights of the linear layers in the blocks. */
  zeros: number
}

/** As they are in a model folder: every value is read. */
export async function foundFigures(
  { folder, spec }: ModelAtHand,
  signal: AbortSignal,
): Promise<FoundFigures> {
  const options = { folder: folder.path, scan: true }
  const { tensors, total_bytes, scan } = await runJob('inspectWeights', options, { signal })
  const numbers = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
  const total = tensors.reduce((sum, { shape }) => sum + numbers(shape), 0)
  const zeros = (counts: typeof scan) => counts!.reduce((sum, { zero }) => sum + zero, 0)
  const names = new Set([...blockMatrices(modelSize(spec))].map(({ tensor }) => tensor))
  return {
    parameters: { total, nonzero: total - zeros(scan) },
    bytes: total_bytes,
    layers: spec.layers,
    zeros: zeros(scan!.filter(({ name }) => names.has(name))),
  }
}
