/** What a graft is made of. */
import { z } from 'zod'
import { count, oneOf, text } from './checks'
import { scaleSchema } from './scales'

const vector = z
  .strictObject({
    base: text().optional().describe('What the chat model was made from.'),
    chat: text().optional().describe('The chat model.'),
    delta: text().optional().describe('A folder with their difference, instead of the two.'),
    scale: scaleSchema.default(1),
  })
  .refine(({ base, chat, delta }) => (delta === undefined ? base && chat : !base && !chat), {
    error: 'expected base and chat, or delta',
  })

export const sparsifySchema = z
  .strictObject({
    method: oneOf(['ties', 'dare']).describe(
      '`ties` keeps the entries of largest magnitude (arXiv 2306.01708), `dare` keeps entries by chance and divides them by the density (arXiv 2311.03099).',
    ),
    density: z
      .number({ error: 'expected a number above 0, to 1' })
      .gt(0, 'expected a number above 0, to 1')
      .max(1, 'expected a number above 0, to 1')
      .describe('The share of each tensor of the difference that is kept.'),
    seed: count(0).default(0).describe('dare: same seed, same entries.'),
  })
  .describe('Leave out most of each difference before it is added.')

export const graftSchema = z.strictObject({
  target: text().describe('The model that learned the language.'),
  vectors: z
    .array(vector, { error: 'expected a list of {base, chat, scale}' })
    .min(1, 'expected at least one {base, chat, scale}')
    .describe('Chat vectors; the first chat model gives template, end of turn and control tokens.'),
  residual: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Scale the other difference: chat + scale * (target - base).'),
  sparsify: sparsifySchema.optional(),
  force: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Add a delta also to a model that does not seem to descend from its base.'),
})

export type GraftConfig = z.infer<typeof graftSchema>
