/** The stage `quantize`: weights become whole numbers with scales. */
import { z } from 'zod'
import { count, positive, text } from '../checks'

const names = () => z.array(text(), { error: 'expected a list of names' }).min(1, 'expected a name')
const flag = () => z.boolean({ error: 'expected true or false' })

export const quantizeSchema = z
  .strictObject({
    method: z.literal('quantize'),
    bits: z.literal([4, 8], { error: 'expected 4 or 8' }).default(4).describe('Of each weight.'),
    group: count(0)
      .optional()
      .describe(
        'Inputs that share a scale; 0: all of an output. It must divide the inputs of every layer; default: 128 with 4 bits, 0 with 8.',
      ),
    symmetric: flag()
      .default(true)
      .describe('false: each group has a zero point too, and reaches from its lowest weight to its highest.'),
    gptq: flag()
      .default(false)
      .describe(
        'The weights further right make up for the rounding, as well as the inputs of the calibration rows allow; false: each goes to the nearest value.',
      ),
    damping: positive()
      .optional()
      .describe(
        'gptq: what is added to the diagonal of H, as a share of its mean; default: 0.01. Raised tenfold where H cannot be inverted, and reported.',
      ),
    include: names()
      .optional()
      .describe(
        'Linear layers: ends of their names, such as `q_proj`, or names with `*`, such as `layers.0.*`; default: all of every block.',
      ),
    exclude: names().optional().describe('Linear layers that stay as they are.'),
  })
  .refine(({ gptq, damping }) => gptq || damping === undefined, {
    error: 'expected gptq: true beside it',
    path: ['damping'],
  })

export type QuantizeStage = z.infer<typeof quantizeSchema>
