/** Which arm wins: a stated rule over what was measured. */
import { z } from 'zod'
import { text } from '../checks'

const number = () => z.number({ error: 'expected a number' })
const measure = () =>
  text().describe('TASK/METRIC as the table of the evaluation has them; TASK alone: its first metric.')

const weighted = z.strictObject({
  measure: measure(),
  weight: number().positive('expected a number above 0').default(1).describe('Of its value in the sum.'),
  better: z
    .enum(['more', 'less'], { error: 'expected more | less' })
    .optional()
    .describe('Default: less of perplexities, losses, toxicity and repetition, more of all else.'),
})

/** Its name alone, or a table. */
const one = z
  .union([text().transform((name): z.input<typeof weighted> => ({ measure: name })), weighted], {
    error: 'expected TASK/METRIC, or { measure, weight }',
  })
  .pipe(weighted)

const requirement = z
  .strictObject({
    measure: measure(),
    at_least: number().optional().describe('The value is to be no less.'),
    at_most: number().optional().describe('The value is to be no more.'),
    not_worse_by: number()
      .min(0, 'expected a number from 0')
      .optional()
      .describe('The value may be worse than that of the start by so much at most.'),
    better: weighted.shape.better,
  })
  .refine(
    ({ at_least, at_most, not_worse_by }) =>
      [at_least, at_most, not_worse_by].some((one) => one !== undefined),
    'expected at_least, at_most or not_worse_by',
  )

export const pick = z
  .strictObject({
    by: z
      .union([one, z.array(one).min(1, 'expected at least one measure')], {
        error: 'expected TASK/METRIC, { measure, weight }, or a list of them',
      })
      .describe('What counts: a measure, or a list of which the weighted sum counts.'),
    require: z
      .array(requirement, { error: 'expected a list of { measure, at_least }' })
      .default([])
      .describe('What an arm has to reach; one that fails cannot win.'),
  })
  .describe('Which arm becomes model/; with one arm there is nothing to pick, and it may be left out.')

export type PickConfig = z.infer<typeof pick>
export type Requirement = z.infer<typeof requirement>
export type Weighted = z.infer<typeof weighted>
