/** The stage `distil`: training on what a teacher says, by default the model that the pipeline began with. */
import { z } from 'zod'
import { text } from '../checks'
import { recoveryKeys } from './recovery'

const { objective: _, teacher: __, ...keys } = recoveryKeys

export const distilSchema = z.strictObject({
  method: z.literal('distil'),
  teacher: text()
    .optional()
    .describe('Model folder or run folder to learn from; default: the model of the pipeline.'),
  ...keys,
})

export type DistilStage = z.infer<typeof distilSchema>
