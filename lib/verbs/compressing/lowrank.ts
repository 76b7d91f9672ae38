/** Linear layers become the product of two thinner ones, or what that is multiplied to. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { LowrankStage } from '../../config/compress/lowrank'
import { runJob } from '../../native'
import { chosenLayers, type NamedLinear, namedLinears } from './named_linears'
import { impossible, type Shape, type Stage } from './stage'

export const lowrank: Stage<LowrankStage> = {
  calibrates: ({ whiten }) => whiten !== false,

  predict(shape, config) {
    const chosen = chosenLayers(namedLinears(shape.spec), config)
    const ranks = ranksOf(config, chosen)
    const budget = budgetOf(config, chosen)
    const unknown = unknownRanks(config, shape, budget)
    if (unknown !== undefined) return { ...shape, unknown }
    const replaced = chosen.filter((linear) => saves(linear, ranks[linear.name]!))
    const layers = shape.spec.layers.map((layer, i) => ({
      ...layer,
      ranks: ranksLeft(
        config,
        layer,
        chosen.filter((linear) => linear.block === i),
        ranks,
      ),
    }))
    return { ...withZeros(shape, config, replaced), spec: { ...shape.spec, layers } }
  },

  divide(_shape, config, steps) {
    const { ratio } = config
    if (ratio === undefined)
      throw impossible(
        'steps',
        `expected 1 beside ${config.rank === undefined ? 'energy' : 'rank'}`,
        'Give a ratio.',
      )
    return Array.from({ length: steps }, (_, i) => ({
      ...config,
      ratio: i + 1 === steps ? ratio : 1 - ((1 - ratio) * (i + 1)) / steps, // exactly, where it ends
    }))
  },

  async run(config, { model, spec, calibration, threads, signal, onProgress }) {
    const { energy, multiple_of, dense } = config
    const chosen = chosenLayers(namedLinears(spec), config)
    const budget = budgetOf(config, chosen)
    const measure = config.whiten === 'diagonal' ? 'input_sizes' : config.whiten ? 'outputs' : 'weights'
    const layers = await runJob(
      'factorModel',
      {
        model,
        batches: calibration,
        threads,
        measure,
        ranks: ranksOf(config, chosen),
        ...(energy !== undefined && { energy }),
        ...(budget !== undefined && { budget }),
        multiple_of,
        dense,
      },
      { signal, onProgress },
    )
    return {
      measure,
      parameters_before: chosen.reduce((sum, linear) => sum + parametersOf(linear, linear.rank), 0),
      parameters: layers.reduce((sum, { parameters }) => sum + parameters, 0),
      unchanged: layers.filter(({ rank }) => rank === 0).map(({ name }) => name),
      layers: layers.filter(({ rank }) => rank > 0).map((layer) => ({ ...layer })),
    }
  },
}

// Without the bias, which stays.
const parametersOf = ({ out, in: inputs }: NamedLinear, rank: number | undefined) =>
  rank === undefined ? out * inputs : rank * (out + inputs)

const saves = (linear: NamedLinear, rank: number) =>
  parametersOf(linear, rank) < parametersOf(linear, linear.rank)

/** The rank of each, by its name; 0 where it is found by energy or a budget. */
function ranksOf(config: LowrankStage, chosen: readonly NamedLinear[]): Record<string, number> {
  const { ratio, rank, allocation } = config
  const found = ratio === undefined ? rank === undefined : allocation === 'global'
  return Object.fromEntries(
    chosen.map((linear) => [linear.name, found ? 0 : (rank ?? rankWithin(ratio!, linear, config))]),
  )
}

/** The largest that keeps this share of the parameters, but one step at least. */
function rankWithin(ratio: number, linear: NamedLinear, { multiple_of }: LowrankStage): number {
  const rank = Math.floor((ratio * linear.out * linear.in) / (linear.out + linear.in))
  return Math.max(multiple_of, rank - (rank % multiple_of))
}

/** Parameters of all together. Throws where they do not even suffice for one step each. */
function budgetOf(config: LowrankStage, chosen: readonly NamedLinear[]): number | undefined {
  const { allocation, ratio, multiple_of } = config
  if (allocation === 'uniform') return undefined
  const all = chosen.reduce((sum, linear) => sum + linear.out * linear.in, 0)
  const budget = Math.floor(ratio! * all)
  const least = chosen.reduce(
    (sum, linear) => sum + parametersOf(linear, saves(linear, multiple_of) ? multiple_of : linear.rank),
    0,
  )
  if (budget >= least) return budget
  throw impossible(
    'ratio',
    `expected at least ${Math.ceil((1000 * least) / all) / 1000}, with which each layer has rank ${multiple_of}, received ${ratio}`,
  )
}

// Multiplied back, whatever the ranks, the shapes are known.
function unknownRanks(
  { energy, dense }: LowrankStage,
  { open }: Shape,
  budget: number | undefined,
): string | undefined {
  if (dense) return undefined
  if (open?.length) return 'how large each matrix is'
  if (energy !== undefined) return `which ranks keep ${energy} of the squared singular values`
  return budget === undefined ? undefined : `how ${budget} parameters are spread over the layers`
}

function ranksLeft(
  { dense }: LowrankStage,
  { ranks: before }: LayerSpec,
  chosen: readonly NamedLinear[],
  ranks: Record<string, number>,
): Record<string, number> {
  const left = { ...before }
  for (const linear of chosen) {
    if (dense) delete left[linear.part]
    else if (saves(linear, ranks[linear.name]!)) left[linear.part] = ranks[linear.name]!
  }
  return left
}

/** Factors have no zeros; those of the other layers stay. */
function withZeros(shape: Shape, config: LowrankStage, replaced: readonly NamedLinear[]): Shape {
  const all = replaced.length === namedLinears(shape.spec).length
  if (shape.zeros === 0 || replaced.length === 0) return shape
  if (all && config.energy === undefined && config.allocation === 'uniform') return { ...shape, zeros: 0 }
  return { ...shape, unknown: 'how many of its zeros are in the layers that are factored' }
}
