/** The blocks of the result, and whether what is merged, or stacked, has room in one config.json. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { DecoderSpec } from '../../checkpoint/model_config'
import { otherSize } from '../../checkpoint/spec_differences'
import type { MergeModel } from './references'
import type { PlannedSlice } from './slices'

/** What a result has once, whatever its layers are made of. */
const ONCE = ['hidden_size', 'head_dim', 'attention_bias', 'o_bias', 'mlp_bias'] as const

/** Throws ERR_SHAPE_MISMATCH for models that say otherwise than the owner what a result has once. */
export function checkTogether(owner: MergeModel, merged: readonly MergeModel[]): void {
  for (const { reference, spec } of merged) {
    const key = ONCE.find((name) => spec[name] !== owner.spec[name])
    if (key) throw otherSize(key, [owner.spec[key], owner.reference], [spec[key], reference])
  }
}

/**
 * A block for each layer of the result: that of the base, or of the first source. Throws ERR_SHAPE_MISMATCH where layers
 * are merged whose heads are cut otherwise, so that equal shapes mean other things.
 */
export function resultLayers(
  slices: readonly PlannedSlice[],
  specOf: (model: string) => DecoderSpec,
): LayerSpec[] {
  return slices.flatMap((slice) =>
    Array.from({ length: slice.layers }, (_, i) => {
      const owned = [...(slice.base ? [slice.base] : []), ...slice.sources]
      const [own, ...others] = owned.map(({ model, first }) => ({
        name: `layer ${first + i} of ${model}`,
        layer: specOf(model).layers[first + i]!,
      }))
      for (const { name, layer } of others)
        for (const key of ['num_heads', 'num_kv_heads'] as const)
          if (layer[key] !== own!.layer[key])
            throw otherSize(key, [own!.layer[key], own!.name], [layer[key], name])
      return own!.layer
    }),
  )
}
