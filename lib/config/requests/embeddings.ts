/** The body of /v1/embeddings. */
import { z } from 'zod'
import { oneOf } from '../checks'
import { IGNORED_FIELDS, modelName, texts, wholeIn } from './fields'

const MOST_INPUTS = 2048

export const embeddingsSchema = z.strictObject({
  input: texts('expected a text, a list of texts, token ids, or a list of such', MOST_INPUTS).describe(
    `Text, token ids with the special ones, or a list of at most ${MOST_INPUTS} of either.`,
  ),
  model: modelName(),
  encoding_format: oneOf(['float', 'base64'])
    .nullish()
    .describe(
      '`float` (default), or `base64`: 32-bit floats, little-endian, which the `openai` client asks for.',
    ),
  dimensions: wholeIn(1, 2 ** 30).describe('Only what the model has: vectors are not cut.'),
  ...IGNORED_FIELDS,
})
