/** Learning hidden tokens: what `masked` may say. */
import { z } from 'zod'
import { BERT_MASKING } from '../text/masking'

const share = () => {
  const error = 'expected a number from 0 to 1'
  return z.number({ error }).min(0, error).max(1, error)
}

export const masked = z
  .strictObject({
    probability: share()
      .gt(0, 'expected a number above 0')
      .default(BERT_MASKING.probability)
      .describe('Share of the tokens that are to be predicted, others each epoch; special tokens never are.'),
    mask: share()
      .default(BERT_MASKING.mask)
      .describe('Of these, the share in whose place the mask token stands.'),
    random: share()
      .default(BERT_MASKING.random)
      .describe('Of these, the share in whose place any token stands; the rest stay as they are.'),
  })
  .refine(({ mask, random }) => mask + random <= 1, {
    error: 'expected shares of at most 1 together',
    path: ['random'],
  })
  .prefault({})
