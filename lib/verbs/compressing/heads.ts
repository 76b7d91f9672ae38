/** Attention heads leave, with their rows of q, k and v and their columns of o. */

import type { JsonObject } from '../../checkpoint/json_file'
import type { LayerSpec } from '../../checkpoint/layers'
import type { HeadsStage } from '../../config/compress/heads'
import { runJob } from '../../native'
import { headsBesides, layerWith, type NamedHeads } from './named_heads'
import { numbers, removalInputs, withLayers, withUnitsLeft } from './removal'
import { impossible, type Shape, type Stage, type StageContext } from './stage'
import { amountSteps, type LayerUnits, unitBudget, unitsLeft } from './unit_budget'

const asksLoss = ({ criterion, heads: named }: HeadsStage) => named === undefined && criterion !== 'l1'

export const heads: Stage<HeadsStage> = {
  calibrates: asksLoss,
  asksLoss,

  predict(shape, config) {
    const { layers } = shape.spec
    if (config.heads) return withoutNamed(shape, config.heads)
    const units = unitsOf(config, layers)
    const budget = unitBudget(config, units, 'heads')
    const left = unitsLeft(budget, units).map((count, i) => headsLeft(config, layers[i]!, count))
    return withUnitsLeft(shape, left, 'heads', budget, units)
  },

  divide(shape, config, steps) {
    if (config.heads) throw impossible('steps', `expected 1 where heads are named, received ${steps}`)
    return amountSteps(config, unitsOf(config, shape.spec.layers), steps, 'heads')
  },

  run: (config, context) => (config.heads ? runNamed(config.heads, context) : runScored(config, context)),

  keptHeads: ({ layers }) => (layers as unknown as FiguresOfLayer[]).map(({ kept }) => kept),
}

/** What the report tells of a layer, in the numbering of before. */
interface FiguresOfLayer {
  kept: number[]
  kept_key_heads: number[]
  /** Of query heads, where they were asked. */
  scores?: number[]
}

async function runScored(config: HeadsStage, context: StageContext): Promise<JsonObject> {
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
}

async function runNamed(named: NamedHeads, { model, spec, threads }: StageContext): Promise<JsonObject> {
  const kept = headsBesides(named, spec.layers)
  const options = { model, threads, kept: kept.map((heads) => Int32Array.from(heads)) }
  const { kept_kv } = await runJob('keepHeads', options)
  return { layers: kept.map((heads, i) => ({ kept: heads, kept_key_heads: numbers(kept_kv[i]!) })) }
}

function withoutNamed(shape: Shape, named: NamedHeads): Shape {
  // An example of what each layer has is no ground to refuse numbers.
  if (!isCertain(shape)) return { ...shape, unknown: shape.unknown ?? 'which heads each layer had' }
  const { layers } = shape.spec
  const left = headsBesides(named, layers).map((heads, i) => layerWith(layers[i]!, heads))
  return withLayers(shape, left)
}

/** Whether each layer has as many heads as the shape says. */
function isCertain({ spec: { layers }, open, unknown }: Shape): boolean {
  const counts = new Set(layers.map(({ num_heads, num_kv_heads }) => `${num_heads} ${num_kv_heads}`))
  return !open?.includes('heads') && (unknown === undefined || counts.size === 1)
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
