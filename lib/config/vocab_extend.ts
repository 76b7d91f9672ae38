/** What `vocab extend` can be told beyond its folders. */
import { z } from 'zod'
import { count, text, threads } from './checks'
import { textSources } from './data'

const texts = () => z.array(text(), { error: 'expected a list of texts' })

export const vocabExtendSchema = z.strictObject({
  data: textSources.optional().describe('Texts to learn tokens from.'),
  held_out: textSources
    .optional()
    .describe('Texts to measure and check on; default: every fiftieth document of data.'),
  tokens: count(1)
    .optional()
    .describe('New tokens to learn at most. One of tokens and coverage must be given with data.'),
  coverage: z
    .number({ error: 'expected a number above 0, to 1' })
    .gt(0, 'expected a number above 0, to 1')
    .max(1, 'expected a number above 0, to 1')
    .optional()
    .describe('Ends once this share of the words of the data are one token each.'),
  min_count: count(1).default(10).describe('How often a token must stand in the data to be worth a row.'),
  max_token_length: count(2)
    .default(64)
    .describe('Longest new token, in characters (bytes of a byte-level one).'),
  special_tokens: texts()
    .default([])
    .describe('Special tokens, such as chat tags: never cut, left out of decoded text.'),
  chat_template: text().optional().describe('File with the chat template that the model gets.'),
  eos_token: text()
    .optional()
    .describe('The token that ends a text from now on; old or among special_tokens.'),
  pad_to_multiple_of: count(1)
    .optional()
    .describe('Rows of embedding and head come in multiples of this; default: no more than tokens need.'),
  threads: threads().default(0).describe('Threads that count and learn; 0 = all cores. At most 8 count.'),
})

export type VocabExtendConfig = z.infer<typeof vocabExtendSchema>
