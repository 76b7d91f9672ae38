/** The stage `rows`: hidden units of feed-forward layers leave. */
import { z } from 'zod'
import { count, oneOf } from '../checks'
import { amount, isAmount, onlyRemoved } from './amount'
import { alternating } from './recovery'

export const rowsSchema = z
  .strictObject({
    method: z.literal('rows'),
    criterion: oneOf(['l1', 'activation', 'taylor'])
      .default('taylor')
      .describe(
        'What a hidden unit is worth. l1: the sizes of its weights and biases; activation: the mean size of what it says; taylor: how the loss depends on that.',
      ),
    keep: count(1)
      .optional()
      .describe('Hidden units that each layer keeps; a layer that has fewer stays as it is.'),
    ...amount('hidden units'),
    multiple_of: count(1)
      .default(1)
      .describe(
        'What a layer keeps is rounded up to a multiple of this, as far as it has them: 64 or 128 keep products fast.',
      ),
    ...alternating,
  })
  .refine(...isAmount)
  .refine(...onlyRemoved)

export type RowsStage = z.infer<typeof rowsSchema>
