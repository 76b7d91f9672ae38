/** Learning hidden sound: what `masked` may say of a speech encoder. */
import { z } from 'zod'
import { count, share, text } from './checks'

export const sound = z
  .strictObject({
    targets: text()
      .optional()
      .describe(
        'Folder that `tongueforge clusters` has made: the clusters that are foretold, of all data of the run. Needed wherever something is learnt or a loss is asked.',
      ),
    join: text()
      .optional()
      .describe(
        'Lay short utterances end to end so that rows are full: any for all of them, or the column of the manifest whose values must agree, say speaker.',
      ),
    mask_probability: share()
      .optional()
      .describe(
        'Share of the places that spans would hide if none overlapped; default: mask_prob of the model.',
      ),
    mask_length: count(1).optional().describe('Places a span; default: mask_length of the model.'),
  })
  .optional()
  .describe('Of a speech encoder: what is foretold, and how utterances become rows.')
