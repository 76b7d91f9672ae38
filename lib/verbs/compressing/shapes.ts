/** Sizes of models: what they mean for those who load one, and what a stage in memory has made of them. */
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import { areUniform, type LayerSpec } from '../../checkpoint/layers'
import type { ModelSpec } from '../../checkpoint/model_spec'
import { blockMatrices } from '../../counting/parameters'
import { modelSize } from '../../counting/registry'
import { type Handle, runJob } from '../../native'
import type { Shape } from './stage'

/** Why transformers' own classes cannot be this model; nothing where they can. */
export function stockObstacle({
  kind,
  layers,
  architecture,
  head_dim,
  hidden_size,
}: ModelSpec): string | undefined {
  if (!areUniform(layers)) return 'layers that differ or are factored'
  const heads = layers[0]!.num_heads
  // An encoder's config has no size of a head: all together are as wide as the model.
  if (kind !== 'decoder' && heads * head_dim !== hidden_size)
    return `${heads} heads of ${head_dim} a layer, which are not hidden_size = ${hidden_size} wide`
  // Its attention goes by head_dim, but its config is refused before that.
  return architecture === 'llama' && hidden_size % heads !== 0
    ? `${heads} heads a layer, which do not divide a hidden_size of ${hidden_size}`
    : undefined
}

/** The blocks of a model in memory. `kept`: which of those of `before` they are, where some were taken out. */
export async function blocksIn(
  model: Handle,
  { layers: before }: ModelSpec,
  kept: readonly number[] = [...before.keys()],
): Promise<LayerSpec[]> {
  const blocks = await runJob('describeBlocks', { model })
  return blocks.map((block, i) => ({ ...block, window: before[kept[i]!]!.window }))
}

/** A config.json for the same model with other blocks. */
export const configWith = (config: JsonObject, spec: ModelSpec, layers: readonly LayerSpec[]): JsonObject =>
  withLayers(config, layers, spec)

interface Found {
  layers: LayerSpec[]
  zeros: number
}

/** Zeros up to this share of a model's weights are there by chance; more of them are what somebody has pruned. */
const TRACE = 0.01

/**
 * What the record of a stage says that the next one finds. `start`: the record of the model that all began with; a trace
 * of zeros that it had does not count, those of a model that was pruned before do.
 */
export function shapeOf(spec: ModelSpec, { layers, zeros }: Found, start: Found): Shape {
  const size = modelSize({ ...spec, layers: start.layers })
  const weights = [...blockMatrices(size)].reduce((sum, { rows, columns }) => sum + rows * columns, 0)
  const chance = start.zeros > TRACE * weights ? 0 : start.zeros
  return { spec: { ...spec, layers }, zeros: Math.max(0, zeros - chance) }
}
