/** Keys of `train` that all trainings of an adaptation share, and those of one objective. */
import { z } from 'zod'
import { count } from '../checks'
import { trainSchema } from '../train'

const { shape } = trainSchema.omit({
  ...{ objective: true, model: true, init: true, student: true, teacher: true, tokenizer: true, out: true },
  ...{ data: true, adapter: true, distil: true, masked: true, sound: true, pruning: true, keep_zeros: true },
  ...{ data_cache: true, device: true, dtype: true, threads: true, seed: true, distributed: true },
})

const keys = z
  .strictObject({
    ...shape,
    tokens: count(1).describe('Instead of steps: how much is read, in tokens of rows.'),
  })
  .partial()

/** Under `training`. What is unsaid has the default of train. */
export const trainingKeys = keys.optional().meta({
  keys_of: 'train',
  description:
    'Keys of train that hold for all trainings; tokens: N instead of steps says how much each reads.',
})

const ofOne = keys.optional().meta({ keys_of: 'train' })

/** A table of keys by objective. */
export const byObjective = z.strictObject({ cp: ofOne, inscp: ofOne, sft: ofOne, dpo: ofOne }).optional()
