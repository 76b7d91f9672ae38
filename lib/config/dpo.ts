/** Learning from preferences: what `dpo` may say. */
import { z } from 'zod'
import { count, oneOf, positive, text } from './checks'

/** Each loss: whether it compares with a reference model, and its usual beta. Native has the formulas. */
export const PREFERENCE_LOSSES = {
  sigmoid: { reference: true, beta: 0.1 },
  hinge: { reference: true, beta: 0.1 },
  ipo: { reference: true, beta: 0.1 },
  simpo: { reference: false, beta: 2 },
  orpo: { reference: false, beta: 0.1 },
} as const

export const dpo = z
  .strictObject({
    loss: oneOf(['sigmoid', 'hinge', 'ipo', 'simpo', 'orpo'])
      .default('sigmoid')
      .describe('sigmoid is DPO. simpo and orpo need no reference model.'),
    beta: positive()
      .optional()
      .describe('How closely the model is held to its reference; default 0.1, for simpo 2.'),
    label_smoothing: z
      .number({ error: 'expected a number from 0 to below 0.5' })
      .min(0, 'expected a number from 0 to below 0.5')
      .lt(0.5, 'expected a number from 0 to below 0.5')
      .default(0)
      .describe('sigmoid, simpo: the share of pairs believed to stand the wrong way round.'),
    gamma: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(1)
      .describe('simpo: the margin asked for.'),
    max_prompt: count(1)
      .optional()
      .describe('Tokens of a prompt that are kept, its last ones; default: all.'),
    reference: text().optional().describe('Model folder to compare with; default: the one that is trained.'),
  })
  .prefault({})
