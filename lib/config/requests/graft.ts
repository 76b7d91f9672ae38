/** The body of PUT /v1/models/NAME/graft. */
import { z } from 'zod'

const SCALE = 'expected a number from -10 to 10'

export const graftSchema = z.strictObject({
  delta: z.string({ error: 'expected the name of a delta' }).describe('One of `deltas` of the model.'),
  scale: z
    .number({ error: SCALE })
    .min(-10, SCALE)
    .max(10, SCALE)
    .default(1)
    .describe('weights = target + scale * delta; default: 1.'),
})
