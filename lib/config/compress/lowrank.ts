/** The stage `lowrank`: linear layers become the product of two thinner ones. */
import { z } from 'zod'
import { count, oneOf, text } from '../checks'
import { alternating } from './recovery'

const AMOUNTS = ['ratio', 'energy', 'rank'] as const

const part = () =>
  z
    .number({ error: 'expected a number above 0, below 1' })
    .gt(0, 'expected a number above 0, below 1')
    .lt(1, 'expected a number above 0, below 1')
const names = () => z.array(text(), { error: 'expected a list of names' }).min(1, 'expected a name')

export const lowrankSchema = z
  .strictObject({
    method: z.literal('lowrank'),
    whiten: z
      .union([z.boolean(), z.literal('diagonal')], { error: 'expected true, false or diagonal' })
      .default(true)
      .describe(
        'What comes out nearest to before. true: the outputs on the calibration rows (SVD-LLM); diagonal: the weights, each by the size of its input there (as in ASVD); false: the weights.',
      ),
    ratio: part().optional().describe('Share of its parameters that a layer keeps.'),
    energy: part()
      .optional()
      .describe('Each layer keeps the least rank with this share of the sum of its squared singular values.'),
    rank: count(1).optional().describe('The rank of each layer.'),
    allocation: oneOf(['uniform', 'global'])
      .default('uniform')
      .describe(
        'Whose the ratio is. uniform: of each layer; global: of all together, spread so that the largest errors become smallest.',
      ),
    multiple_of: count(1).default(1).describe('Ranks found by ratio or energy are multiples of this.'),
    dense: z
      .boolean({ error: 'expected true or false' })
      .default(false)
      .describe(
        'The factors are multiplied: no parameter less, but shapes that every loader takes. Factored layers that stay are multiplied too.',
      ),
    include: names()
      .optional()
      .describe(
        'Linear layers: ends of their names, such as `q_proj`, or names with `*`, such as `layers.0.*`; default: all of every block.',
      ),
    exclude: names().optional().describe('Linear layers that stay as they are.'),
    ...alternating,
  })
  .refine((stage) => AMOUNTS.filter((key) => stage[key] !== undefined).length === 1, {
    error: 'expected exactly one of ratio, energy and rank',
    path: ['ratio'],
  })
  .refine(({ allocation, ratio }) => allocation === 'uniform' || ratio !== undefined, {
    error: 'expected uniform beside energy or rank: a budget is a ratio',
    path: ['allocation'],
  })
  .refine(({ rank, multiple_of }) => rank === undefined || multiple_of === 1, {
    error: 'expected nothing beside rank, which says it itself',
    path: ['multiple_of'],
  })

export type LowrankStage = z.infer<typeof lowrankSchema>
