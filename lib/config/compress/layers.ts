/** The stage `layers`: whole layers leave. */
import { z } from 'zod'
import { count, oneOf } from '../checks'
import { isShareOrCount, SHARE_OR_COUNT } from './amount'
import { alternating } from './recovery'

export const layersSchema = z
  .strictObject({
    method: z.literal('layers'),
    criterion: oneOf(['influence', 'angle'])
      .default('influence')
      .describe(
        'Which ones. influence: those that change the stream least, wherever they are; angle: neighbours that together turn it least.',
      ),
    keep: count(1).optional().describe('How many stay.'),
    drop: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .refine(isShareOrCount, SHARE_OR_COUNT)
      .optional()
      .describe('Instead of keep: how many go; below 1 a share of them, rounded down.'),
    layers: z
      .array(count(0), { error: 'expected a list of numbers from 0' })
      .min(1, 'expected at least one number')
      .optional()
      .describe('Instead of both: the numbers of those that go, from 0.'),
    ...alternating,
  })
  .refine(
    ({ keep, drop, layers }) => [keep, drop, layers].filter((value) => value !== undefined).length === 1,
    {
      error: 'expected exactly one of keep, drop and layers',
      path: ['keep'],
    },
  )
  .refine(({ layers }) => new Set(layers).size === (layers?.length ?? 0), {
    error: 'expected each number once',
    path: ['layers'],
  })

export type LayersStage = z.infer<typeof layersSchema>
