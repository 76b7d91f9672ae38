/** What `attention` may be told beside the model: sources of sound or of text, as the model has it. */
import { z } from 'zod'
import { audioSources } from './audio'
import { count, text } from './checks'
import { textSources } from './data'

const keys = {
  pruned: text().optional().describe('Run folder of `compress` on this model, with heads that left.'),
  limit: count(1)
    .optional()
    .describe('Utterances or texts that are looked at, from the first on; default: all.'),
  seed: count(0).default(1).describe('Of the permutations that p values are counted by.'),
}

export const soundAttentionSchema = z.strictObject({ data: audioSources, ...keys })
export const textAttentionSchema = z.strictObject({ data: textSources, ...keys })

export type SoundAttention = z.infer<typeof soundAttentionSchema>
export type TextAttention = z.infer<typeof textAttentionSchema>
