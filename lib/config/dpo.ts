/** Learning from preferences: what `dpo` may say. */
import { z } from 'zod'
import { count, oneOf, positive, text } from './checks'

/** Each loss: whether it compares with a reference model, its usual beta, and other keys that it knows. Native has the formulas. */
export const PREFERENCE_LOSSES = {
  sigmoid: { reference: true, beta: 0.1, keys: ['label_smoothing'] },
  hinge: { reference: true, beta: 0.1, keys: [] },
  ipo: { reference: true, beta: 0.1, keys: [] },
  simpo: { reference: false, beta: 2, keys: ['label_smoothing', 'gamma'] },
  orpo: { reference: false, beta: 0.1, keys: [] },
} as const satisfies Record<string, { reference: boolean; beta: number; keys: readonly OwnKey[] }>

type OwnKey = keyof typeof OWN_KEYS
type PreferenceLoss = keyof typeof PREFERENCE_LOSSES

/** Keys of some losses alone, and what they are where the config says nothing: a resolved.yaml has that for every loss. */
const OWN_KEYS = { label_smoothing: 0, gamma: 1 }

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
      .default(OWN_KEYS.label_smoothing)
      .describe('sigmoid, simpo: the share of pairs believed to stand the wrong way round.'),
    gamma: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(OWN_KEYS.gamma)
      .describe('simpo: the margin asked for.'),
    max_prompt: count(1)
      .optional()
      .describe('Tokens of a prompt that are kept, its last ones; default: all.'),
    reference: text()
      .optional()
      .describe('sigmoid, hinge, ipo: model folder to compare with; default: the one that is trained.'),
  })
  .superRefine(({ loss, ...given }, context) => {
    const knows = PREFERENCE_LOSSES[loss]
    const refuse = (key: string, others: readonly string[]) =>
      context.addIssue({
        code: 'custom',
        path: [key],
        message: `expected none with loss ${loss}: it belongs to ${others.join(', ')}`,
      })
    for (const [key, unsaid] of Object.entries(OWN_KEYS) as [OwnKey, number][]) {
      const keys: readonly OwnKey[] = knows.keys
      if (given[key] !== unsaid && !keys.includes(key))
        refuse(
          key,
          lossesWith((row) => row.keys.includes(key)),
        )
    }
    if (given.reference !== undefined && !knows.reference)
      refuse(
        'reference',
        lossesWith((row) => row.reference),
      )
  })
  .prefault({})

function lossesWith(
  has: (row: { reference: boolean; keys: readonly OwnKey[] }) => boolean,
): PreferenceLoss[] {
  return (Object.keys(PREFERENCE_LOSSES) as PreferenceLoss[]).filter((loss) => has(PREFERENCE_LOSSES[loss]))
}
