/** The body of /v1/completions. */
import { z } from 'zod'
import { IGNORED_FIELDS, refused, SAMPLING_FIELDS, texts, wholeIn } from './fields'

export const completionsSchema = z.strictObject({
  prompt: texts('expected a text, a list of texts, token ids, or a list of such').describe(
    'Text, token ids, or a list of either: answers come in their order, `n` to each.',
  ),
  ...SAMPLING_FIELDS,
  max_tokens: wholeIn(0, 2 ** 30).describe("The longest answer, in tokens; default: 16, as in OpenAI's API."),
  logprobs: wholeIn(0, 20).describe(
    'Log-probabilities of the new tokens, and of so many of the most probable ones in their places.',
  ),
  echo: refused('answers are the new text alone', false).describe('Refused.'),
  suffix: refused('models here write on, and do not fill in', '').describe('Refused.'),
  best_of: refused('ask for n answers and pick', 1).describe('Refused.'),
  ...IGNORED_FIELDS,
})

export type CompletionsRequest = z.infer<typeof completionsSchema>
