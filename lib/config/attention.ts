/** What `attention` may be told beside the model. */
import { z } from 'zod'
import { count, text } from './checks'
import { textSources } from './data'

export const attentionSchema = z.strictObject({
  data: textSources.describe('Sound for a speech encoder, texts for a text encoder.'),
  pruned: text().optional().describe('Run folder of `compress` on this model, with heads that left.'),
  limit: count(1)
    .optional()
    .describe('Utterances or texts that are looked at, from the first on; default: all.'),
  seed: count(0).default(1).describe('Of the permutations that p values are counted by.'),
})

export type AttentionConfig = z.infer<typeof attentionSchema>
