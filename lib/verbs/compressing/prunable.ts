/** The matrices that pruning works on, from sizes alone, and how many of their weights each rule takes. */
import { BLOCK, nOfM, type PruneStage } from '../../config/compress/prune'
import { shareOf } from '../training/prune_schedule'
import { type NamedLinear, namedLinears } from './named_linears'
import { impossible, type Shape } from './stage'

/** A linear layer; its weight, or its two factors. */
export interface PrunableLayer {
  /** `layers.3.self_attn.q_proj`, whatever the model calls its blocks. */
  name: string
  matrices: { rows: number; columns: number }[]
  /** Numbers in its bias. */
  bias: number
}

export const prunableLayers = (spec: Shape['spec']): PrunableLayer[] =>
  namedLinears(spec).map((linear) => ({
    name: linear.name,
    matrices: matricesOf(linear),
    bias: linear.bias ? linear.out : 0,
  }))

function matricesOf({ out, in: inputs, rank }: NamedLinear) {
  if (rank === undefined) return [{ rows: out, columns: inputs }]
  return [
    { rows: rank, columns: inputs },
    { rows: out, columns: rank },
  ]
}

/** How many weights go, exactly. Throws ERR_CONFIG where inputs cannot be cut into the groups of a pattern. */
export function zerosOf(chosen: readonly PrunableLayer[], stage: PruneStage): number {
  const { criterion, sparsity = 0, scope = 'global', biases } = stage
  const groups = nOfM(stage.pattern)
  const sum = (zeros: (rows: number, columns: number) => number) =>
    chosen.reduce(
      (total, { matrices }) =>
        matrices.reduce((some, { rows, columns }) => some + zeros(rows, columns), total),
      0,
    )
  if (groups !== undefined) {
    for (const layer of chosen) checkGroups(layer, groups.of, stage.pattern)
    return sum((rows, columns) => rows * (columns / groups.of) * (groups.of - groups.kept))
  }
  if (criterion === 'wanda') return sum((rows, columns) => rows * Math.floor(columns * sparsity))
  if (criterion === 'sparsegpt')
    return sum((rows, columns) => zerosOfBlocks(rows, columns, sparsity, stage.block))
  if (scope === 'row') return sum((rows, columns) => rows * shareOf(sparsity, columns))
  const ofBiases = biases ? chosen.map(({ bias }) => bias) : []
  if (scope === 'layer')
    return ofBiases.reduce(
      (total, bias) => total + shareOf(sparsity, bias),
      sum((rows, columns) => shareOf(sparsity, rows * columns)),
    )
  const pool = ofBiases.reduce(
    (total, bias) => total + bias,
    sum((rows, columns) => rows * columns),
  )
  return shareOf(sparsity, pool)
}

function checkGroups({ name, matrices }: PrunableLayer, of: number, pattern: string): void {
  for (const { columns } of matrices)
    if (columns % of !== 0)
      throw impossible(
        'pattern',
        `expected the inputs of ${name} to be groups of ${of} for ${pattern}, received ${columns} inputs`,
        'Exclude this layer, or take an M that divides its inputs.',
      )
}

// The last block may be narrower.
function zerosOfBlocks(rows: number, columns: number, sparsity: number, block = BLOCK): number {
  let zeros = 0
  for (let begin = 0; begin < columns; begin += block)
    zeros += Math.floor(sparsity * (rows * Math.min(block, columns - begin)))
  return zeros
}
