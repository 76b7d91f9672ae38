/** Whole layers leave: those that are named, or those that change the stream of hidden states least. */
import { type LayerSpec, sizesOf } from '../../checkpoint/layers'
import type { LayersStage } from '../../config/compress/layers'
import { runJob } from '../../native'
import { numbers, removalInputs, withLayers } from './removal'
import { evenly, impossible, type Shape, type Stage } from './stage'
import { shareOf } from './unit_budget'

export const layers: Stage<LayersStage> = {
  calibrates: (config) => config.layers === undefined,

  predict(shape, config) {
    const all = shape.spec.layers
    const gone = config.layers ?? lastOnes(all.length, countOf(config, all.length))
    checkGone(config, all.length)
    const left = withLayers(
      shape,
      all.filter((_, i) => !gone.includes(i)),
    )
    if (gone.length === 0) return shape
    return isCertain(shape, config) ? left : { ...left, unknown: 'which of the layers leave' }
  },

  divide(shape, config, steps) {
    const all = shape.spec.layers.length
    if (config.layers) throw impossible('steps', `expected 1 where layers are named, received ${steps}`)
    const gone = countOf(config, all)
    checkGone(config, all)
    if (steps > gone)
      throw impossible('steps', `expected at most ${gone}, one for each layer, received ${steps}`)
    return evenly(all, all - gone, steps).map((keep) => ({ ...config, drop: undefined, keep }))
  },

  async run(config, context) {
    const all = context.spec.layers.length
    const { criterion } = config
    const which = config.layers
      ? { kept: lastOnes(all, all).filter((i) => !config.layers!.includes(i)) }
      : { count: countOf(config, all) }
    const { signal, onProgress } = context
    const options = { ...removalInputs(context), criterion, ...which }
    const { scores, kept } = await runJob('dropLayers', options, { signal, onProgress })
    return { kept: numbers(kept), ...(!config.layers && { criterion, scores }) }
  },

  keptBlocks: ({ kept }) => kept as number[],
}

const lastOnes = (all: number, count: number) => Array.from({ length: count }, (_, i) => all - count + i)

function countOf({ keep, drop }: LayersStage, all: number): number {
  if (drop === undefined) return all - keep!
  return drop < 1 ? shareOf(drop, all) : drop
}

/** At least one is to stay, and none can leave that is not there. */
function checkGone({ keep, drop, layers }: LayersStage, all: number): void {
  if (keep !== undefined && keep > all)
    throw impossible('keep', `expected at most the ${all} layers that there are, received ${keep}`)
  if (drop !== undefined && drop >= all)
    throw impossible('drop', `expected fewer than the ${all} layers that there are, received ${drop}`)
  const missing = layers?.find((layer) => layer >= all)
  if (missing !== undefined)
    throw impossible('layers', `expected numbers from 0 to ${all - 1}, received ${missing}`)
  if (layers && layers.length >= all)
    throw impossible('layers', `expected at least one of the ${all} layers to stay, received all of them`)
}

/** Whether what is left is of one size whichever layers leave. */
function isCertain({ spec, open }: Shape, { layers: named }: LayersStage): boolean {
  if (open && open.length > 0) return false
  const size = (layer: LayerSpec) => `${sizesOf(layer)} ${JSON.stringify(layer.ranks)}`
  return named !== undefined || spec.layers.every((layer) => size(layer) === size(spec.layers[0]!))
}
