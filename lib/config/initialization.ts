import { z } from 'zod'
import { count, positive, share } from './checks'

/** How random weights are drawn when training starts from `init`. */
export const initialization = z.strictObject({
  embedding_std: positive().default(0.02).describe('Standard deviation of the embedding.'),
  matrix_std: positive()
    .optional()
    .describe('Of matrices and head; default 0.02 unless matrix_gain is given.'),
  matrix_gain: positive().optional().describe('Instead of matrix_std: gain / sqrt(columns).'),
  attention_output_gain: positive().default(1).describe('o_proj is drawn smaller by this factor.'),
  mlp_output_gain: positive().default(1).describe('down_proj is drawn smaller by this factor.'),
  related_rows: z
    .strictObject({
      correlation: share().describe('How alike, from 0 to below 1.'),
      pairs: z.array(z.tuple([count(0), count(0)])).describe('Token ids.'),
    })
    .optional()
    .describe('Pairs [row, like_row] of embedding and head that start out correlated.'),
})
