/** What a model in training is asked to say at each evaluation. */
import { z } from 'zod'
import { count, share, text } from './checks'

const PROMPTS = 'expected a list of texts, or a file with one on each line'

export const samples = z
  .strictObject({
    prompts: z
      .union([z.array(text(), { error: PROMPTS }).min(1, PROMPTS), text()], { error: PROMPTS })
      .describe('Texts, or a file with one on each line.'),
    chat: z
      .boolean({ error: 'expected true or false' })
      .optional()
      .describe('Ask in the chat template, each prompt a turn of the user; default: where there is one.'),
    system: text().optional().describe('A system turn before each prompt.'),
    max_new_tokens: count(1).default(64).describe('The longest answer.'),
    temperature: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0)
      .describe('0: always the most probable token.'),
    top_k: count(1).optional().describe('Sample from the k most probable tokens.'),
    top_p: share()
      .gt(0, 'expected a number above 0')
      .optional()
      .describe('Sample from those that make up p.'),
    seed: count(0).default(0).describe('The same at each evaluation; prompt i samples with seed + i.'),
  })
  .optional()
  .describe('Answers to some prompts at each evaluation: samples.jsonl, and stop_rate.')

export type SamplesConfig = NonNullable<z.infer<typeof samples>>
