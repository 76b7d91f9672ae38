/** What `vocab train` may be told. */
import { z } from 'zod'
import { count, text, threads } from './checks'
import { textSources } from './data'

export const vocabTrainSchema = z.strictObject({
  data: textSources.describe('Texts to learn tokens from.'),
  out: text().describe('Folder for tokenizer.json and the files beside it.'),
  size: count(257).default(32000).describe('Tokens at most, special ones and the 256 bytes included.'),
  min_count: count(1).default(2).describe('How often a pair must stand in the text to become a token.'),
  max_token_length: count(2).default(64).describe('Longest token, in bytes.'),
  coverage: z
    .number({ error: 'expected a number above 0, to 1' })
    .gt(0, 'expected a number above 0, to 1')
    .max(1, 'expected a number above 0, to 1')
    .optional()
    .describe('Ends sooner, once this share of the words of the text are one token each.'),
  special_tokens: z
    .array(text(), { error: 'expected a list of tokens' })
    .default([])
    .describe('Tokens that text is never cut into, such as chat tags.'),
  bos_token: text()
    .optional()
    .describe('Put before every text, unless `like` says what is; default: that of `like`, or none.'),
  eos_token: text().optional().describe('Ends a text; default: that of `like`, or <|endoftext|>.'),
  pad_token: text().optional().describe('Fills rows; default: that of `like`, or none.'),
  chat_template: text().optional().describe('File with a chat template for the tokenizer.'),
  like: text()
    .optional()
    .describe('Folder of a byte-level tokenizer that text is to be normalised, cut and framed like.'),
  threads: threads().default(0).describe('Threads that count and learn; 0 = all cores. At most 8 count.'),
})

export type VocabTrainConfig = z.infer<typeof vocabTrainSchema>
