/** What is scaled apart: everything together, kinds of modules, or neighbouring layers. */
import type { Scale } from '../../config/scales'
import type { SweepConfig } from '../../config/sweep'
import { TongueforgeError } from '../../errors'
import { MODULE_KINDS, type ParameterDescription } from '../../native'

export interface Dimensions {
  /** In the order of a point's numbers. */
  names: readonly string[]
  /** A point as a graft takes it. */
  scaleAt(point: readonly number[]): Scale
}

/** A point as it is told: each number under the name of what it scales. */
export function named(
  { names }: Pick<Dimensions, 'names'>,
  point: readonly number[],
): Record<string, number> {
  return Object.fromEntries(names.map((name, i) => [name, point[i]!]))
}

/** Throws ERR_CONFIG for more groups than layers. */
export function dimensionsOf(
  { by, groups }: Pick<SweepConfig, 'by' | 'groups'>,
  parameters: readonly ParameterDescription[],
): Dimensions {
  if (by === 'layer_group') return layerGroups(countLayers(parameters), groups)
  if (by === 'global') return { names: ['all'], scaleAt: ([scale]) => scale! }
  const names = MODULE_KINDS.filter((kind) => parameters.some(({ module }) => module === kind))
  return { names, scaleAt: (point) => named({ names }, point) }
}

const countLayers = (parameters: readonly ParameterDescription[]) =>
  1 + Math.max(...parameters.map(({ name }) => Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? -1)))

// The input table goes with the first layers; what comes after all layers with the last.
function layerGroups(layers: number, groups: number): Dimensions {
  if (groups > layers) throw tooManyGroups(groups, layers)
  const firsts = Array.from({ length: groups + 1 }, (_, group) => Math.floor((group * layers) / groups))
  const names = firsts.slice(0, -1).map((first, group) => {
    const last = firsts[group + 1]! - 1
    return first === last ? `layer_${first}` : `layers_${first}_${last}`
  })
  const groupOf = (layer: number) => firsts.findLastIndex((first) => first <= layer)
  const scaleAt = (point: readonly number[]) => ({
    ...Object.fromEntries(
      Array.from({ length: layers }, (_, layer) => [`*.layers.${layer}.*`, point[groupOf(layer)]!]),
    ),
    embedding: point[0]!,
    default: point.at(-1)!,
  })
  return { names, scaleAt }
}

function tooManyGroups(groups: number, layers: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_CONFIG',
    `config: groups: expected at most ${layers}, the layers of the model, received ${groups}`,
    { hint: `groups: ${layers} scales every layer apart.`, details: { key: 'groups', received: groups } },
  )
}
