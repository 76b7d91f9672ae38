/** What a run does where a loss is not finite, or jumps. */
import { z } from 'zod'
import { count, oneOf, positive } from './checks'

export const anomaly = z
  .strictObject({
    non_finite: oneOf(['stop', 'skip', 'rollback'])
      .default('stop')
      .describe('A loss or gradient is not finite: end, leave the batch out, or go back to a checkpoint.'),
    spike: oneOf(['off', 'stop', 'skip', 'rollback'])
      .default('off')
      .describe('The same where a loss is far above those before it.'),
    factor: positive()
      .default(10)
      .describe('Far above: by more than so many spreads over the median of the window.'),
    grad_norm_factor: positive()
      .optional()
      .describe("The same for the gradient's norm before clipping; default: it is not watched."),
    window: count(5)
      .default(100)
      .describe('Updates that a loss is compared with; before there are so many, none is a spike.'),
    max_skips: count(0)
      .default(10)
      .describe('skip: batches left out in 1,000 updates; at the next one the run ends.'),
    rollback: z
      .strictObject({
        back: count(1).default(100).describe('Updates taken back at least: to the checkpoint before them.'),
        skip: count(1)
          .optional()
          .describe(
            'Batches left out from there on; default, and least: back + checkpoint.every, so that the one that was met is among them.',
          ),
        max: count(0).default(3).describe('Rollbacks of a run; at the next one it ends.'),
      })
      .prefault({}),
  })
  .prefault({})
