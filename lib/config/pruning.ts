/** Pruning while training: when, how much, and whether it waits for the loss. */
import { z } from 'zod'
import { count, oneOf, share } from './checks'

const part = () =>
  z
    .number({ error: 'expected a number above 0 and below 1' })
    .gt(0, 'expected a number above 0 and below 1')
    .lt(1, 'expected a number above 0 and below 1')

/** Keys of one schedule alone. */
const OWN_KEYS = {
  cubic: ['end', 'initial', 'final'],
  targets: ['targets'],
  paper: [],
} as const satisfies Record<string, readonly string[]>
const REQUIRED = { cubic: 'final', targets: 'targets', paper: undefined } as const

const gate = z.union(
  [
    z.literal('off'),
    z.strictObject({
      factor: share()
        .optional()
        .describe(
          'How slowly the running mean of the loss forgets; default: 1 - 5 / every, 0.9998 at 25,000.',
        ),
      seed: count(1).default(3).describe('Losses after each pruning whose mean it starts from.'),
      lookback: count(1)
        .optional()
        .describe(
          'Updates before the next pruning at which its value is kept; default: three fifths of every, 15,000 of 25,000.',
        ),
      tolerance: z
        .number({ error: 'expected a number from 0' })
        .min(0, 'expected a number from 0')
        .default(0.001)
        .describe('The mean may have fallen by so much since then; by more, and the pruning waits.'),
    }),
  ],
  { error: 'expected off, or a table of factor, seed, lookback and tolerance' },
)

export const pruning = z
  .strictObject({
    schedule: oneOf(['cubic', 'targets', 'paper']).describe(
      'cubic: from initial to final, fast at first (arXiv 1710.01878); targets: a list; paper: the 38 of arXiv 2211.09949, 0.2 to 0.95.',
    ),
    start: count(0)
      .optional()
      .describe('Updates before the first pruning: the warm-up; default: 0, paper: as every.'),
    every: count(1)
      .optional()
      .describe('Updates between two prunings: the period; default: 100, paper: 25,000.'),
    end: count(1)
      .optional()
      .describe('cubic: the last pruning is at this update or before it; default: three quarters of steps.'),
    initial: share()
      .optional()
      .describe('cubic: share of the weights that the first pruning leaves at zero; default: 0.'),
    final: part().optional().describe('cubic: that of the last one.'),
    targets: z
      .array(part(), { error: 'expected a list of numbers' })
      .min(1, 'expected at least one number')
      .optional()
      .describe('targets: shares of all prunable weights that are zero after each pruning, rising.'),
    criterion: oneOf(['magnitude'])
      .default('magnitude')
      .describe('What is pruned first: the smallest by absolute value.'),
    scope: oneOf(['global', 'layer', 'row'])
      .default('global')
      .describe('What is compared: all weights, those of a tensor, or those of a row.'),
    gate: gate
      .optional()
      .describe(
        'Waits a period longer while the loss still falls; default: off, paper: on with its numbers.',
      ),
  })
  .superRefine((given, context) => {
    const problem = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message })
    for (const [schedule, keys] of Object.entries(OWN_KEYS)) {
      for (const key of keys) {
        if (given[key] === undefined || schedule === given.schedule) continue
        problem(key, `expected none with schedule ${given.schedule}: it belongs to ${schedule}`)
      }
    }
    const needed = REQUIRED[given.schedule]
    if (needed && given[needed] === undefined) problem(needed, `expected one with schedule ${given.schedule}`)
    const { targets = [], initial = 0, final = 1 } = given
    if (targets.some((target, i) => i > 0 && target <= targets[i - 1]!))
      problem('targets', 'expected shares that rise')
    if (initial >= final) problem('initial', `expected less than final = ${final}`)
  })
  .optional()
  .describe('Weights of linear layers in blocks become zero, more and more of them, while the others learn.')

export const keepZeros = z
  .boolean({ error: 'expected true or false' })
  .optional()
  .describe(
    'Weights of linear layers in blocks that are exactly zero in model stay zero: for one that was pruned; default: false.',
  )

export type Pruning = NonNullable<z.infer<typeof pruning>>
export type PruneGate = Exclude<Pruning['gate'], 'off' | undefined>
