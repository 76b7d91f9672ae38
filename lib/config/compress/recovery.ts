/** Training between stages: the keys of `train` that are not the pipeline's own. */
import { z } from 'zod'
import { count } from '../checks'
import { trainSchema } from '../train'

/** For schemas of stages that train. */
export const recoveryKeys = trainSchema.omit({
  model: true,
  init: true,
  student: true,
  tokenizer: true,
  out: true,
  adapter: true,
  data_cache: true,
  device: true,
  dtype: true,
  threads: true,
}).shape

/** Has tables of keys point to those of `train` instead of repeating them. */
const KEYS_OF_TRAIN = { keys_of: 'train' }

/** Under `recovery`: what stages that train do not say themselves. */
export const recovery = z
  .strictObject(recoveryKeys)
  .partial()
  .optional()
  .meta({
    ...KEYS_OF_TRAIN,
    description: 'Keys of train that hold for every stage that trains, where it does not say otherwise.',
  })

/** For schemas of techniques that may be reached in steps, with training after each. */
export const alternating = {
  steps: count(1).default(1).describe('In how many steps it is reached.'),
  recover: z
    .strictObject(recoveryKeys)
    .optional()
    .meta({
      ...KEYS_OF_TRAIN,
      description: 'Keys of train: a training after each step; {} takes those of recovery.',
    }),
}
