/** Sizes of models: what they mean for those who load one, and what a stage in memory has made of them. */
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import { areUniform, type LayerSpec } from '../../checkpoint/layers'
import type { DecoderSpec as ModelSpec } from '../../checkpoint/model_config'
import { type Handle, runJob } from '../../native'
import type { Shape } from './stage'

/** Whether every layer is alike and none is factored: what transformers' own classes can be. */
export const isUniform = ({ layers }: ModelSpec): boolean => areUniform(layers)

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

/** What the record of a stage says that the next one finds. */
export const shapeOf = (
  spec: ModelSpec,
  { layers, zeros }: { layers: LayerSpec[]; zeros: number },
): Shape => ({
  spec: { ...spec, layers },
  zeros,
})
