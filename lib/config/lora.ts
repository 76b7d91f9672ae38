/** Which parameters are trained: all, all but some, or low-rank adapters beside them. */
import { z } from 'zod'
import { count, positive, share, text } from './checks'

const patterns = () => z.array(text(), { error: 'expected a list of names' }).min(1, 'expected a name')

export const freeze = patterns()
  .optional()
  .describe(
    'Parameters that stay as they are: names on disk, `*` for anything, such as `model.embed_tokens.*`, `*.layers.0.*`.',
  )

export const adapter = text()
  .optional()
  .describe('Folder of a PEFT adapter of model, or run folder of one: lora goes on training it.')

export const lora = z
  .strictObject({
    rank: count(1).optional().describe('Columns between A and B; default: 16.'),
    alpha: positive().optional().describe('B A counts alpha / rank times; default: twice the rank.'),
    rslora: z
      .boolean({ error: 'expected true or false' })
      .optional()
      .describe('alpha / sqrt(rank) instead (arXiv 2312.03732); default: false.'),
    targets: z
      .union([z.literal('all'), patterns()], { error: 'expected all, or a list of names' })
      .optional()
      .describe(
        'Linear layers that get an adapter: ends of their names, such as `q_proj`, or whole names with `*`; default: `all` but the head.',
      ),
    dropout: share().default(0).describe('Share of the inputs of A that a training step drops.'),
    also: patterns()
      .optional()
      .describe('Parameters that are trained as a whole, as for freeze: say `model.embed_tokens.*`.'),
    merge: z
      .boolean({ error: 'expected true or false' })
      .default(true)
      .describe('Write model/ with the adapter merged into it, beside adapter/.'),
  })
  .optional()
  .describe('Train low-rank adapters (arXiv 2106.09685) beside frozen weights; the result is in adapter/.')
