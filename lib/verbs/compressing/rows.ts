/** Hidden units of feed-forward layers leave: rows of gate and up, or fc1, and columns of down, or fc2. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { RowsStage } from '../../config/compress/rows'
import { runJob } from '../../native'
import { numbers, ranges, removalInputs, withUnitsLeft } from './removal'
import type { Stage } from './stage'
import { amountSteps, type LayerUnits, unitBudget, unitsLeft } from './unit_budget'

export const rows: Stage<RowsStage> = {
  calibrates: ({ criterion }) => criterion !== 'l1',
  asksLoss: ({ criterion }) => criterion === 'taylor',

  predict(shape, config) {
    const { layers } = shape.spec
    const units = unitsOf(layers)
    const budget = unitBudget(config, units, 'rows')
    const left = unitsLeft(budget, units).map((count, i) => ({ ...layers[i]!, intermediate_size: count }))
    return withUnitsLeft(shape, left, 'rows', budget, units)
  },

  divide: (shape, config, steps) => amountSteps(config, unitsOf(shape.spec.layers), steps, 'rows'),

  async run(config, context) {
    const { criterion } = config
    const budget = unitBudget(config, unitsOf(context.spec.layers), 'rows')
    const options = { ...removalInputs(context), criterion, ...budget }
    const { signal, onProgress } = context
    const { scores, kept } = await runJob('pruneRows', options, { signal, onProgress })
    return { criterion, layers: kept.map((buffer, i) => figuresOf(numbers(buffer), scores[i]!)) }
  },
}

const unitsOf = (layers: readonly LayerSpec[]): LayerUnits[] =>
  layers.map(({ intermediate_size: count }) => ({ count, size: 1 }))

/** Thousands of rows a layer: which stay, in short, and where the line lies. */
function figuresOf(kept: number[], scores: readonly number[]) {
  const stays = new Set(kept)
  const gone = scores.filter((_, row) => !stays.has(row))
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  return {
    rows: kept.length,
    kept: ranges(kept),
    least_kept_score: kept.reduce((least, row) => Math.min(least, scores[row]!), scores[kept[0]!]!),
    most_removed_score: gone.length > 0 ? gone.reduce((most, score) => Math.max(most, score)) : null,
    removed_share_of_scores: gone.length > 0 ? sum(gone) / sum(scores) : 0,
  }
}
