/** What happens around the updates: what is saved, and what is looked at. */
import { z } from 'zod'
import { count, oneOf } from './checks'
import { sources } from './data'
import { samples } from './samples'

export const checkpoint = z
  .strictObject({
    every: count(0).default(100).describe('Updates between checkpoints; 0 = only when stopped.'),
    keep: count(1).default(2).describe('The newest ones that stay.'),
    keep_best: count(0)
      .optional()
      .describe('Those of lowest held-out loss, which stay as well; default: 1 with result: best, else 0.'),
    async: z
      .boolean({ error: 'expected true or false' })
      .default(false)
      .describe('Training goes on while a copy is written; the copy takes as much memory as a checkpoint.'),
  })
  .prefault({})

export const result = oneOf(['last', 'best'])
  .optional()
  .describe(
    'Which weights become model/: the last, or those of lowest held-out loss; default: best with eval.patience.',
  )

export const evaluation = z
  .strictObject({
    every: count(1).default(100).describe('Updates between evaluations; there is one more at either end.'),
    data: sources.describe('Not trained on.'),
    patience: count(1)
      .optional()
      .describe('The run ends when so many evaluations in a row were no better than the best before them.'),
    min_delta: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0)
      .describe('Better is lower by more than this.'),
    samples,
  })
  .optional()
  .describe('Loss on held-out data, as the objective reads it.')

export const tensorboard = z
  .boolean({ error: 'expected true or false' })
  .default(false)
  .describe("Write all figures, and samples, as TensorBoard's event files too, in tensorboard/ of the run.")
