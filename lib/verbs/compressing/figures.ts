/** How large a model is: foretold from sizes, and counted in what was written. docs/counting.md says what is counted. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { CompressConfig } from '../../config/compress'
import { countMacs } from '../../counting/macs'
import { blockMatrices, countParameters, DTYPE_BYTES, storedBytes } from '../../counting/parameters'
import { modelSize } from '../../counting/registry'
import { bySizeName, heldWeights, numbersIn } from '../inspecting/held_weights'
import { countedMacs, lengthOf, type MacCounts, type MacRow } from '../inspecting/macs'
import type { ModelAtHand } from './model_at_hand'
import { quantizedBytes } from './quantize'
import type { Shape } from './stage'

export interface Figures {
  parameters: { total: number; nonzero: number }
  /** Of all weights on disk, without headers. */
  bytes: number
  /** Of a pass over one row of `tokens`, or of `seconds` of sound; `effective`: without products with zeros. */
  macs: Pick<MacCounts, 'tokens' | 'seconds' | 'core' | 'superb' | 'effective'>
}

/** Of a model to be quantised: how many weights round to zero is not foretold. */
export interface ForetoldFigures extends Omit<Figures, 'parameters'> {
  parameters: { total: number; nonzero: number | null }
}

export type Counted = Pick<CompressConfig, 'dtype' | 'macs_tokens'>

/** Sizes as they are foretold; nothing where only the weights can tell. */
export function foretoldFigures(
  { spec, zeros, unknown, quantized }: Shape,
  counted: Counted | { dtype: Counted['dtype']; row: MacRow },
): ForetoldFigures | undefined {
  if (unknown !== undefined) return undefined
  const { dtype } = counted
  const row = 'row' in counted ? counted.row : { tokens: counted.macs_tokens }
  const size = modelSize(spec)
  const total = countParameters(spec)
  const { core, superb, positions } = countMacs(size, lengthOf(size, row))
  const spared = zeros * positions // all of them are in layers that each position goes through
  return {
    parameters: { total, nonzero: quantized ? null : total - zeros },
    bytes: storedBytes(size, dtype!, (matrix) =>
      quantized && !quantized.ignore.includes(matrix.tensor.replace(/\.weight$/, ''))
        ? quantizedBytes(quantized, matrix, DTYPE_BYTES[dtype!])
        : undefined,
    ),
    macs: {
      ...{ tokens: positions, core, superb },
      ...('seconds' in row && { seconds: row.seconds }),
      effective: quantized ? null : { core: core - spared, superb: superb - spared },
    },
  }
}

export interface FoundFigures extends Figures {
  layers: LayerSpec[]
  /** Exact zeros among the weights of the linear layers in the blocks. */
  zeros: number
}

/** As they are in a model folder: every value is read. */
export async function foundFigures(
  { folder, spec }: ModelAtHand,
  { macs_tokens }: Counted,
  signal: AbortSignal,
): Promise<FoundFigures> {
  const held = await heldWeights(folder.path, spec, { signal })
  const { total, zeros = 0 } = numbersIn(held, spec)
  const size = modelSize(spec)
  const scan = bySizeName(held.scan, spec)
  const pruned = new Set([...blockMatrices(size)].map(({ tensor }) => tensor))
  const { tokens, core, superb, effective } = countedMacs(size, { tokens: macs_tokens }, scan)
  return {
    parameters: { total, nonzero: total - zeros },
    bytes: held.bytes,
    macs: { tokens, core, superb, effective },
    layers: spec.layers,
    zeros: scan.reduce((sum, { name, zero }) => sum + (pruned.has(name) ? zero : 0), 0),
  }
}

/** The same of a row of another length: products with zeros are as many at each position. */
export function recountedMacs(
  macs: Figures['macs'],
  spec: ModelSpec,
  { macs_tokens }: Counted,
): Figures['macs'] {
  const { effective, tokens, ...recounted } = countedMacs(modelSize(spec), { tokens: macs_tokens })
  if (macs.tokens === tokens) return macs
  const { core, superb } = recounted
  const left = (all: number, before: number, effectiveBefore: number) =>
    all - ((before - effectiveBefore) / macs.tokens) * tokens
  return {
    ...{ tokens, core, superb },
    effective: macs.effective && {
      core: left(core, macs.core, macs.effective.core),
      superb: left(superb, macs.superb, macs.effective.superb),
    },
  }
}
