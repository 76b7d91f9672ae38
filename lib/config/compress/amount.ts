/** How much of every layer goes, or of all layers together: the same keys for all that is removed by its score. */
import { z } from 'zod'
import { oneOf, positive } from '../checks'

export const isShareOrCount = (value: number) => value < 1 || Number.isInteger(value)
export const SHARE_OR_COUNT = 'expected a share below 1, or a whole number'

/** Beside `keep`. `what`: in the plural, for descriptions. */
export const amount = (what: string) => ({
  remove: positive()
    .refine(isShareOrCount, SHARE_OR_COUNT)
    .optional()
    .describe(`Instead of keep: how many ${what} go; below 1 a share of them, rounded down.`),
  scope: oneOf(['layer', 'global'])
    .default('layer')
    .describe(
      `remove: of each layer, or of all together, the least worth first; then each layer keeps the best it has.`,
    ),
  uniform: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Every layer keeps equally many, as other loaders need it: more go until it comes out even.'),
})

interface Amount {
  keep?: number | undefined
  remove?: number | undefined
  scope: 'layer' | 'global'
}

type Refinement = [(value: Amount) => boolean, { error: string; path: string[] }]

export const isAmount: Refinement = [
  ({ keep, remove }) => (keep === undefined) !== (remove === undefined),
  { error: 'expected exactly one of keep and remove', path: ['keep'] },
]

export const onlyRemoved: Refinement = [
  ({ scope, remove }) => scope === 'layer' || remove !== undefined,
  { error: 'expected layer with keep, which is of each layer', path: ['scope'] },
]
