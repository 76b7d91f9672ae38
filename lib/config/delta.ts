/** How a difference between two models is written down. */
import { z } from 'zod'
import { count, oneOf } from './checks'

const shareAboveZero = () =>
  z
    .number({ error: 'expected a number above 0, to 1' })
    .gt(0, 'expected a number above 0, to 1')
    .max(1, 'expected a number above 0, to 1')

export const DELTA_FORMATS = ['dense', 'topk', 'lowrank', 'int8', 'int4'] as const
export type DeltaFormat = (typeof DELTA_FORMATS)[number]

export const deltaSchema = z.strictObject({
  format: oneOf(DELTA_FORMATS)
    .default('dense')
    .describe(
      '`dense`: every value, exact; `topk`: the largest values of each tensor; `lowrank`: two thin matrices for each; `int8`, `int4`: whole numbers with a scale for each group.',
    ),
  density: shareAboveZero().optional().describe('topk: the share of the values that is kept; default: 0.1.'),
  rank: count(1)
    .optional()
    .describe('lowrank: columns of the factors; default: 64, unless `energy` is given.'),
  energy: shareAboveZero()
    .optional()
    .describe('lowrank: each matrix gets the smallest rank that keeps this share of its sum of squares.'),
  factor_dtype: oneOf(['float32', 'bfloat16'])
    .optional()
    .describe('lowrank: what the factors are stored in; default: float32.'),
  group: count(2).optional().describe('int8, int4: values of a row that share a scale; default: 64.'),
})

export type DeltaConfig = z.infer<typeof deltaSchema>

/** Keys that say something of some formats alone. */
export const KEYS_OF_FORMATS = {
  density: ['topk'],
  rank: ['lowrank'],
  energy: ['lowrank'],
  factor_dtype: ['lowrank'],
  group: ['int8', 'int4'],
} as const satisfies Partial<Record<keyof DeltaConfig, readonly DeltaFormat[]>>
