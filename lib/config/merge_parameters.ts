/** The value that a parameter of a merge has for one tensor: scalars, gradients over depth, lists by part of the name. */
import { z } from 'zod'

const EXPECTED = 'expected a number, a list of numbers (a gradient), or a list of { filter, value }'
const scalar = () => z.union([z.number(), z.boolean()], { error: EXPECTED })
const gradient = () => z.array(z.number({ error: EXPECTED })).min(1, EXPECTED)
const graded = () => z.union([scalar(), gradient()], { error: EXPECTED })
const conditional = () =>
  z.strictObject({ filter: z.string({ error: EXPECTED }).optional(), value: graded() }, { error: EXPECTED })

export const parameters = z
  .record(z.string(), z.union([graded(), z.array(conditional()).min(1, EXPECTED)], { error: EXPECTED }), {
    error: 'expected a table of parameters',
  })
  .optional()

export type Graded = z.infer<ReturnType<typeof graded>>
export type Conditional = z.infer<ReturnType<typeof conditional>>
export type ParameterValue = Graded | Conditional[]
export type ParameterTable = Record<string, ParameterValue> | undefined

/** Where a tensor stands: its name in the result, and its depth from 0 (first layer, and all outside) to 1. */
export interface Place {
  tensor: string
  t: number
}

/** Whether a value is a list of { filter, value }. */
export const isConditional = (value: ParameterValue): value is Conditional[] =>
  Array.isArray(value) && typeof value[0] === 'object'

const matches = (filter: string | undefined, tensor: string) =>
  filter === undefined || filter === '*' || tensor.includes(filter)

/**
 * The value at a place. Of a list of { filter, value } the first whose filter is part of the tensor's name counts;
 * undefined where none is. A gradient runs through its numbers evenly; true is 1, false 0.
 */
export function valueAt(value: ParameterValue, { tensor, t }: Place): number | undefined {
  if (!isConditional(value)) return graded01(value, t)
  const found = value.find(({ filter }) => matches(filter, tensor))
  return found && graded01(found.value, t)
}

function graded01(value: Graded, t: number): number {
  if (!Array.isArray(value)) return Number(value)
  const at = t * (value.length - 1)
  const low = Math.floor(at)
  const part = at - low
  const high = Math.min(low + 1, value.length - 1)
  return (1 - part) * value[low]! + part * value[high]!
}

/** The first table that says something of the parameter at this place says it. */
export function lookUp(tables: readonly ParameterTable[], name: string, place: Place): number | undefined {
  for (const table of tables) {
    const value = table?.[name]
    const found = value === undefined ? undefined : valueAt(value, place)
    if (found !== undefined) return found
  }
  return undefined
}

/** Depth of layer i of n: evenly from 0 to 1; a layer alone has depth 1. */
export const depthOf = (layer: number, count: number) => (count === 1 ? 1 : layer / (count - 1))

/** All numbers that a value is made of. */
export function numbersOf(value: ParameterValue): number[] {
  if (isConditional(value)) return value.flatMap((entry) => numbersOf(entry.value))
  return [value].flat().map(Number)
}

/** The filters of a value, but the one that takes all. */
export function filtersOf(value: ParameterValue): string[] {
  if (!isConditional(value)) return []
  return value.flatMap(({ filter }) => (filter === undefined || filter === '*' ? [] : [filter]))
}
