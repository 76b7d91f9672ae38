/** InsCP, instruction continual pre-training: what `inscp` may say. */
import { z } from 'zod'
import { count, oneOf, text } from './checks'

/** Enough for a histogram, few enough for a large corpus. */
export const PERPLEXITY_SAMPLE = 10_000

export const inscp = z
  .strictObject({
    loss: oneOf(['all', 'assistant', 'body']).default('all').describe('Which tokens are learnt.'),
    system: text()
      .optional()
      .describe(
        'none: no system turn; default: what the template writes by itself, if anything; else the words of one. Default: default.',
      ),
    template: oneOf(['model', 'paper'])
      .optional()
      .describe('paper: without the newlines of the template, as the paper prints it; default: model.'),
    max_perplexity: z
      .number({ error: 'expected a number from 1' })
      .min(1, 'expected a number from 1')
      .optional()
      .describe('Documents of data above it, under the starting model, are left out; default: none are.'),
    perplexity_sample: count(1)
      .optional()
      .describe(
        `Documents whose perplexity is measured, drawn from all; default: ${PERPLEXITY_SAMPLE}, with max_perplexity all.`,
      ),
  })
  .prefault({})
