/** The linear layers of all blocks by names that are the same whatever the model calls its blocks. */
import type { LayerLinear } from '../../checkpoint/layers'
import { linearsOf } from '../../checkpoint/model_spec'
import { matchNames } from '../../config/name_patterns'
import { blockLinears } from '../../counting/model_size'
import { modelSize } from '../../counting/registry'
import { impossible, type Shape } from './stage'

export interface NamedLinear extends Omit<LayerLinear, 'name'> {
  /** `layers.3.self_attn.q_proj`, for native code too. */
  name: string
  /** Its name on disk, without `.weight`: `model.layers.3.self_attn.q_proj`. */
  stored: string
  /** Number of the block, and the name within it. */
  block: number
  part: string
  /** Where it is factored. */
  rank: number | undefined
}

/** In the order of the forward pass. */
export function namedLinears(spec: Shape['spec']): NamedLinear[] {
  const { blocks } = modelSize(spec)
  return spec.layers.flatMap((layer, block) => {
    const stored = blockLinears(blocks[block]!)
    return linearsOf(spec, layer).map(({ name: part, ...linear }, i) => ({
      ...linear,
      name: `layers.${block}.${part}`,
      stored: stored[i]!.name,
      block,
      part,
      rank: layer.ranks[part],
    }))
  })
}

/** Those that a stage takes. Throws ERR_CONFIG for a pattern that fits none, and where none is left. */
export function chosenLayers<Layer extends { name: string }>(
  all: readonly Layer[],
  { include, exclude }: { include?: string[] | undefined; exclude?: string[] | undefined },
): Layer[] {
  const names = all.map(({ name }) => name)
  const matched = (patterns: readonly string[], key: string) =>
    new Set(matchNames(patterns, names, { key, suffixes: true }))
  const included = include === undefined ? new Set(names) : matched(include, 'include')
  const excluded = exclude === undefined ? new Set() : matched(exclude, 'exclude')
  const chosen = all.filter(({ name }) => included.has(name) && !excluded.has(name))
  if (chosen.length > 0) return chosen
  throw impossible('exclude', 'expected that some layer is left, but every one that is included is excluded')
}
