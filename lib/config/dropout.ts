/** Which of its values an encoder does without while it learns. */
import { z } from 'zod'
import { share } from './checks'

const rates = z.strictObject({
  residual: share().default(0),
  attention: share().default(0),
  activation: share().default(0),
})

const residualAlone = share().transform((residual) => ({ residual, attention: 0, activation: 0 }))

export const dropout = z
  .union([residualAlone, rates], {
    error: 'expected a number from 0 to below 1, or { residual, attention, activation }',
  })
  .prefault(0)
  .describe(
    'Share of values that is dropped while an encoder learns: { residual, attention, activation }. residual: of what attention and feed-forward parts add, and of what goes into the first block; attention: of the probabilities with which places look at others; activation: of what stands between the two matrices of a feed-forward part. A number is the first alone.',
  )

export type Dropout = z.infer<typeof dropout>
