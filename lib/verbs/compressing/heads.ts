/** Attention heads leave, with their rows of q, k and v and their columns of o. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { HeadsStage } from '../../config/compress/heads'
import { runJob } from '../../native'
import { numbers, removalInputs, withUnitsLeft } from './removal'
import { impossible, type Stage } from './stage'
import { amountSteps, type LayerUnits, unitBudget, unitsLeft } from './unit_budget'

export const heads: Stage<HeadsStage> = {
  calibrates: ({ criterion }) => criterion !== 'l1',

  predict(shape, config) {
    const { layers } = shape.spec
    const units = unitsOf(config, layers)
    const budget = unitBudget(config, units, 'heads')
    const left = unitsLeft(budget, units).map((count, i) => headsLeft(config, layers[i]!, count))
    return withUnitsLeft(shape, left, 'heads', budget, units)
  },

  divide: (shape, config, steps) => amountSteps(config, unitsOf(config, shape.spec.layers), steps, 'heads'),

  async run(config, context) {
    const { criterion, unit } = config
    const budget = unitBudget(config, unitsOf(config, context.spec.layers), 'heads')
    const options = { ...removalInputs(context), criterion, unit, ...budget }
    const { signal, onProgress } = context
    const { scores, kept, kept_kv } = await runJob('pruneHeads', options, { signal, onProgress })
    const layers = kept.map((heads, i) => ({
      kept: numbers(heads),
      kept_key_heads: numbers(kept_kv[i]!),
      scores: scores[i]!,
    }))
    return { criterion, unit, layers }
  },
}

function unitsOf({ unit }: HeadsStage, layers: readonly LayerSpec[]): LayerUnits[] {
  const units = layers.map(({ num_heads, num_kv_heads }) => {
    const shared = num_heads / num_kv_heads
    return unit === 'group' ? { count: num_kv_heads, size: shared } : { count: shared, size: num_kv_heads }
  })
  if (unit === 'group' || units.some(({ count }) => count > 1)) return units
  throw impossible(
    'unit',
    'expected group, as every query head has a key head of its own here, received query',
    'A group is one head there.',
  )
}

function headsLeft({ unit }: HeadsStage, layer: LayerSpec, left: number): LayerSpec {
  const { num_heads, num_kv_heads } = layer
  if (unit === 'query') return { ...layer, num_heads: num_kv_heads * left }
  return { ...layer, num_heads: (num_heads / num_kv_heads) * left, num_kv_heads: left }
}
