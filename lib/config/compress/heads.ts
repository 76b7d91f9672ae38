/** The stage `heads`: attention heads leave. */
import { z } from 'zod'
import { count, oneOf } from '../checks'
import { amount, isAmount, onlyRemoved } from './amount'
import { alternating } from './recovery'

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
    ...alternating,
  })
  .refine(...isAmount)
  .refine(...onlyRemoved)

export type HeadsStage = z.infer<typeof headsSchema>
