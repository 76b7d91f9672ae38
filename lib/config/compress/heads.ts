/** The stage `heads`: attention heads leave. */
import { z } from 'zod'
import { count, oneOf } from '../checks'
import { amount, onlyRemoved } from './amount'
import { alternating } from './recovery'

const numbers = z
  .array(count(0), { error: 'expected a list of numbers from 0' })
  .min(1, 'expected at least one number')
  .refine((list) => new Set(list).size === list.length, 'expected each number once')

/** Of layers their numbers, from 0, in plain decimals. */
const isLayers = (table: object) =>
  Object.keys(table).length > 0 && Object.keys(table).every((key) => /^(0|[1-9]\d*)$/.test(key))

export const headsSchema = z
  .strictObject({
    method: z.literal('heads'),
    criterion: oneOf(['data', 'taylor', 'l1'])
      .default('taylor')
      .describe(
        'What a head is worth. l1: the sizes of its weights in q, k and v; data: how the loss depends on what it says, place by place; taylor: the same, document by document.',
      ),
    unit: oneOf(['group', 'query'])
      .default('group')
      .describe(
        'What goes at once where several query heads share a key head. group: a key head with all of them; query: one of the query heads of every key head.',
      ),
    keep: count(1)
      .optional()
      .describe('Query heads that each layer keeps; a layer that has fewer stays as it is.'),
    ...amount('query heads'),
    heads: z
      .record(z.string(), numbers, { error: 'expected a table of layers' })
      .refine(isLayers, 'expected numbers of layers from 0, and the heads that leave each')
      .optional()
      .describe(
        'Instead of both: the numbers of those that go, from 0, by layer: { 0: [1, 3], 2: [5] }. What they are worth is not asked then.',
      ),
    ...alternating,
  })
  .refine(
    ({ keep, remove, heads }) => [keep, remove, heads].filter((value) => value !== undefined).length === 1,
    { error: 'expected exactly one of keep, remove and heads', path: ['keep'] },
  )
  .refine(...onlyRemoved)
  .refine(({ uniform, heads }) => !uniform || heads === undefined, {
    error: 'expected false where heads are named',
    path: ['uniform'],
  })

export type HeadsStage = z.infer<typeof headsSchema>
