/** Sizes of models: what they mean for those who load one, and what a stage in memory has made of them. */
import type { JsonObject } from '../../checkpoint/json_file'
import type { DecoderSpec as ModelSpec } from '../../checkpoint/model_config'
import type { Handle } from '../../native'
import type { Shape } from './stage'

export type Layers = object[]

/** Whether every layer is alike and none is factored: what transformers' own classes can be. */
export function isUniform(_spec: ModelSpec): boolean {
  return true
}

/** The blocks of a model in memory; `kept`: which of those of `before` they are. */
export async function blocksIn(
  _model: Handle,
  _before: ModelSpec,
  _kept?: readonly number[],
): Promise<Layers> {
  return []
}

/** A config.json for the same model with other blocks. */
export function configWith(config: JsonObject, _spec: ModelSpec, _layers: Layers): JsonObject {
  return config
}

/** What the record of a stage says that the next one finds. */
export const shapeOf = (spec: ModelSpec, { zeros }: { layers: Layers; zeros: number }): Shape => ({
  spec,
  zeros,
})
