/** Who says how toxic a text is, or how glad: a classifier, an endpoint or a list of words. */
import { z } from 'zod'
import { count, oneOf, positive, text } from './checks'
import { MOST_SECONDS } from './judge'

const KINDS = 'expected one of model, url and lexicon'

export const scorersSchema = z
  .strictObject({
    model: text()
      .optional()
      .describe('A classifier: the folder of a text encoder with a classification head.'),
    label: text().optional().describe('Of `model`: the label whose probability is the score.'),
    lexicon: text()
      .optional()
      .describe('A list of words: a file with one a line, and behind a tab what it weighs.'),
    url: z
      .url({ protocol: /^https?$/, error: 'expected an address that begins with http:// or https://' })
      .optional()
      .describe('An endpoint: where texts are sent to.'),
    protocol: oneOf(['tongueforge', 'perspective'])
      .default('tongueforge')
      .describe('Of `url`: what is sent and what comes back.'),
    attribute: text()
      .optional()
      .describe('Of `url`: what is asked for; default: the name of the scorer, of perspective in capitals.'),
    languages: z
      .array(text(), { error: 'expected a list of languages' })
      .optional()
      .describe('Of perspective: the languages of the texts; default: the endpoint finds out.'),
    api_key_env: text().optional().describe('Of `url`: environment variable that holds the key.'),
    batch: count(1).default(16).describe('Of `url`: texts in a request; of perspective always one.'),
    concurrency: count(1).default(4).describe('Of `url`: requests at a time.'),
    timeout: positive()
      .max(MOST_SECONDS, `expected at most ${MOST_SECONDS} seconds`)
      .default(60)
      .describe(`Of \`url\`: seconds that a reply may take, at most ${MOST_SECONDS}.`),
    retries: count(0)
      .default(8)
      .describe(
        'Of `url`: of a request that failed for want of time, of connection or of capacity; each waits longer.',
      ),
  })
  .refine(
    ({ model, url, lexicon }) => [model, url, lexicon].filter((one) => one !== undefined).length === 1,
    KINDS,
  )
  .refine(({ model, label }) => model === undefined || label !== undefined, {
    path: ['label'],
    error: 'expected the label whose probability is the score',
  })

export type ScorerConfig = z.infer<typeof scorersSchema>

/** What can be scored; a task that needs one says so. */
export const SCORED = ['toxicity', 'sentiment'] as const
export type Scored = (typeof SCORED)[number]

export const scorers = z.strictObject({
  toxicity: scorersSchema.optional(),
  sentiment: scorersSchema.optional(),
})
