/** How weights are updated. */
import { z } from 'zod'
import { count, oneOf, positive, share } from './checks'

export const optimizer = z
  .strictObject({
    kind: oneOf(['adamw']).default('adamw').describe('How a gradient becomes an update.'),
    lr: positive().default(1e-3).describe('Learning rate after the warm-up.'),
    weight_decay: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0.01)
      .describe('Decoupled; of what decay says.'),
    betas: z
      .tuple([share(), share()], { error: 'expected two numbers below 1' })
      .default([0.9, 0.95])
      .describe('How slowly the two moments forget.'),
    eps: positive().default(1e-8).describe('Added to the root of the second moment.'),
    decay: oneOf(['matrices', 'all'])
      .default('matrices')
      .describe('all: norms and biases are decayed as well.'),
  })
  .prefault({})
  .describe('The optimizer.')

export const schedule = z
  .strictObject({
    kind: oneOf(['cosine', 'linear', 'constant'])
      .default('cosine')
      .describe('How lr falls after the warm-up.'),
    warmup: count(0).default(20).describe('Updates in which lr rises from 0.'),
    min_lr: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0)
      .describe('lr of the last update.'),
  })
  .prefault({})
