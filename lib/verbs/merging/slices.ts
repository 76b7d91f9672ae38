/** Which layers of which models make the layers of the result. */
import type { MergeConfig, MergeSlice } from '../../config/merge'
import { MERGE_METHODS } from '../../config/merge_methods'
import type { ParameterTable } from '../../config/merge_parameters'
import { configError } from '../../config/parse'

export interface PlannedSource {
  /** Reference of the model. */
  model: string
  /** The layer that the first one of the slice is made of. */
  first: number
  parameters?: ParameterTable
}

export interface PlannedSlice {
  /** In the order of the config; without the base, where the method has one. */
  sources: PlannedSource[]
  /** What deltas are counted from. */
  base: PlannedSource | undefined
  /** Of the result. */
  layers: number
  parameters?: ParameterTable
}

/** Of a slice, the base last: what its layers are made of. */
export const membersOf = ({ base, sources }: PlannedSlice) => (base ? [...sources, base] : sources)

/**
 * The slices of a config; `models` are one slice of all layers. `layersOf` has the number of layers of each model.
 * Throws ERR_CONFIG for a range beyond a model, models of unequal depth, and a base whose layers are not known.
 */
export function planSlices(
  config: MergeConfig,
  layersOf: (model: string) => number,
  file: string,
): PlannedSlice[] {
  if (config.slices)
    return config.slices.map((slice, i) => planSlice(config, slice, layersOf, { file, key: `slices.${i}` }))
  const sources = config.models!.map((input) => ({ ...input, first: 0 }))
  const layers = layersOf(sources[0]!.model)
  const all = [...sources.map(({ model }) => model), ...(config.base_model ? [config.base_model] : [])]
  const other = all.find((model) => layersOf(model) !== layers)
  if (other !== undefined)
    throw configError(
      file,
      `models: expected models of as many layers, received ${layers} (${sources[0]!.model}) and ` +
        `${layersOf(other)} (${other})`,
      { key: 'models', hint: 'Say with slices which layers belong together.' },
    )
  return [withBase(config, { sources, layers }, config.base_model, 0)]
}

interface At {
  file: string
  key: string
}

function planSlice(
  config: MergeConfig,
  slice: MergeSlice,
  layersOf: (model: string) => number,
  { file, key }: At,
): PlannedSlice {
  for (const [j, { model, layer_range }] of slice.sources.entries())
    if (layer_range[1] > layersOf(model))
      throw configError(
        file,
        `${key}.sources.${j}.layer_range: expected at most the ${layersOf(model)} layers of ${model}, received ` +
          `[${layer_range.join(', ')}]`,
        { key: `${key}.sources.${j}.layer_range`, hint: 'The end of a range is not part of it.' },
      )
  const sources = slice.sources.map(({ model, layer_range: [first], parameters }) => ({
    model,
    first,
    parameters,
  }))
  const [first, end] = slice.sources[0]!.layer_range
  const base = slice.base_model ?? config.base_model
  const firsts = new Set(sources.map((source) => source.first))
  const planned = { sources, layers: end - first, parameters: slice.parameters }
  const listed = sources.some(({ model }) => model === base)
  if (base !== undefined && !listed && hasOrigin(config)) {
    const reaches = firsts.size === 1 && end <= layersOf(base)
    if (!reaches)
      throw configError(
        file,
        `${key}: expected the layers of base_model ${base} among its sources, received none`,
        {
          key: `${key}.sources`,
          hint: `Add to sources: {model: ${base}, layer_range: [${first}, ${end}]}.`,
        },
      )
  }
  return withBase(config, planned, base, first)
}

const hasOrigin = ({ merge_method }: MergeConfig) => MERGE_METHODS[merge_method]!.base !== 'none'

/** Takes the base out of the sources; one that is not among them has the layers that all sources have. */
function withBase(
  config: MergeConfig,
  slice: Omit<PlannedSlice, 'base'>,
  base: string | undefined,
  first: number,
): PlannedSlice {
  if (base === undefined || !hasOrigin(config)) return { ...slice, base: undefined }
  const listed = slice.sources.find(({ model }) => model === base)
  return {
    ...slice,
    sources: slice.sources.filter(({ model }) => model !== base),
    base: listed ?? { model: base, first },
  }
}
