/** How much of a difference is added to each tensor. */
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { MODULE_KINDS, type ModuleKind } from '../native'
import { matcher } from './name_patterns'
import { suggestion } from './parse'

const MOST = 3.4028234663852886e38
const EXPECTED = 'expected a number that float32 can hold'

/** One scale. */
export const scaleNumber = () =>
  z.number({ error: 'expected a number' }).min(-MOST, EXPECTED).max(MOST, EXPECTED)

const finite = scaleNumber()
const gradient = z.union([finite, z.array(finite).min(1, 'expected at least one number')], {
  error: 'expected a number or a list of numbers',
})

const hasRows = (table: object) => Object.keys(table).length > 0

export const scaleSchema = z
  .union([gradient, z.record(z.string(), gradient).refine(hasRows, 'expected at least one row')], {
    error: 'expected a number, a list, or such by module kind or tensor name',
  })
  .describe(
    'A number; a list, from the first layer to the last (one a layer, or fewer with straight lines between them); or a table of both by module kind (`attention`, `mlp`, `norm`, `embedding`, `head`, `other`), by tensor name with `*` for anything, and `default`.',
  )

/** How strongly a chat vector is added: everywhere, layer by layer, or by module kind or tensor name. */
export type Scale = z.infer<typeof scaleSchema>

export interface ScaledTensor {
  name: string
  module: ModuleKind
}

/**
 * The scale of each tensor. In a table the first pattern that matches the name decides, then the module kind, then
 * `default`, else 1. Of a list, what stands before the layers has its first value, what stands behind them the last.
 * Throws ERR_CONFIG for a row that fits no tensor, and for a list that is longer than the model.
 */
export function scalesOf(
  scale: Scale,
  tensors: readonly ScaledTensor[],
  numLayers: number,
  key = 'scale',
): number[] {
  const rows = typeof scale === 'object' && !Array.isArray(scale) ? scale : { default: scale }
  const patterns = Object.entries(rows)
    .filter(([name]) => name !== 'default' && !isKind(name))
    .map(([pattern, value]) => ({ matches: matcher(pattern), value }))
  for (const [name, value] of Object.entries(rows)) {
    checkUsed(name, tensors, key)
    checkLength(value, numLayers, rows === scale ? `${key}.${name}` : key)
  }
  return tensors.map((tensor) => {
    const pattern = patterns.find(({ matches }) => matches(tensor.name))
    const value = pattern?.value ?? rows[tensor.module] ?? rows.default ?? 1
    return at(value, tensor, numLayers)
  })
}

const isKind = (name: string): name is ModuleKind => MODULE_KINDS.includes(name as ModuleKind)

function checkUsed(name: string, tensors: readonly ScaledTensor[], key: string): void {
  if (name === 'default' || isKind(name) || tensors.some((tensor) => matcher(name)(tensor.name))) return
  const known = [...MODULE_KINDS, 'default']
  throw new TongueforgeError(
    'ERR_CONFIG',
    `${key}.${name}: expected a module kind, default, or a name that fits a tensor; it fits none`,
    {
      hint: /[.*]/.test(name)
        ? `Kinds are ${MODULE_KINDS.join(', ')}; in names * stands for anything, as in model.layers.*.mlp.*`
        : suggestion(name, known),
      details: { key: `${key}.${name}` },
    },
  )
}

/** Of a longer list some numbers would count for nothing. Two are a first and a last one, even of a single layer. */
function checkLength(value: number | number[], numLayers: number, key: string): void {
  if (typeof value === 'number' || value.length <= Math.max(numLayers, 2)) return
  throw new TongueforgeError(
    'ERR_CONFIG',
    `${key}: expected a list of at most ${numLayers} numbers, one for each layer, received ${value.length}`,
    { hint: 'Fewer numbers are joined by straight lines.', details: { key } },
  )
}

function at(value: number | number[], { name }: ScaledTensor, numLayers: number): number {
  if (typeof value === 'number') return value
  const layer = /\.layers?\.(\d+)\./.exec(name)?.[1]
  const last = value.length - 1
  if (layer === undefined) return name.includes('embed') ? value[0]! : value[last]!
  const place = numLayers > 1 ? (Number(layer) / (numLayers - 1)) * last : 0
  const below = Math.min(Math.floor(place), last)
  const above = Math.min(below + 1, last)
  // Exact at the numbers of the list themselves.
  return place === below ? value[below]! : value[below]! + (value[above]! - value[below]!) * (place - below)
}
