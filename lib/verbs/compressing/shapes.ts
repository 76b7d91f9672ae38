/** Sizes of models: what they mean for those who load one, and what a stage in memory has made of them. */
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import { areUniform, type LayerSpec } from '../../checkpoint/layers'
import type { ModelSpec } from '../../checkpoint/model_spec'
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
  if (kind === 'encoder' && heads * head_dim !== hidden_size)
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

/** What the record of a stage says that the next one finds. Zeros that were there at the start are no work of ours. */
export const shapeOf = (spec: ModelSpec, { layers, zeros }: Found, start: Found): Shape => ({
  spec: { ...spec, layers },
  zeros: Math.max(0, zeros - start.zeros),
})
