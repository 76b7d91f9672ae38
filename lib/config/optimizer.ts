/** How weights are updated. */
import { z } from 'zod'
import { count, oneOf, positive, share } from './checks'

/** Keys of one kind alone, and what they are where the config says nothing. */
const OWN_KEYS = {
  adamw: { betas: [0.9, 0.95] as [number, number], eps: 1e-8 },
  adafactor: { beta1: 0, decay_rate: 0.8, clip_threshold: 1, eps: 1e-30 },
}
const OPTIMIZERS = ['adamw', 'adafactor'] as const

export const optimizer = z
  .strictObject({
    kind: oneOf(OPTIMIZERS)
      .default('adamw')
      .describe(
        'How a gradient becomes an update; adafactor (arXiv 1804.04235) keeps sums of rows and columns in place of two moments.',
      ),
    lr: positive().default(1e-3).describe('Learning rate after the warm-up.'),
    weight_decay: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0.01)
      .describe('Decoupled; of what decay says.'),
    betas: z
      .tuple([share(), share()], { error: 'expected two numbers below 1' })
      .optional()
      .describe('adamw: how slowly the two moments forget; default: [0.9, 0.95].'),
    eps: positive()
      .optional()
      .describe(
        'adamw: added to the root of the second moment, default 1e-8; adafactor: to squared gradients, default 1e-30.',
      ),
    beta1: share()
      .optional()
      .describe('adafactor: how slowly a first moment forgets; default: there is none.'),
    decay_rate: positive()
      .optional()
      .describe('adafactor: update t forgets t^-decay_rate of the second moment; default: 0.8.'),
    clip_threshold: positive()
      .optional()
      .describe('adafactor: largest root mean square of an update, times lr; default: 1.'),
    decay: oneOf(['matrices', 'all'])
      .default('matrices')
      .describe('all: norms and biases are decayed as well.'),
  })
  .superRefine((given, context) => {
    for (const [kind, keys] of Object.entries(OWN_KEYS)) {
      for (const key of Object.keys(keys) as (keyof typeof given)[]) {
        if (given[key] === undefined || key in OWN_KEYS[given.kind]) continue
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `expected none with kind ${given.kind}: it belongs to ${kind}`,
        })
      }
    }
  })
  .prefault({})
  .describe('The optimizer.')

type Optimizer = z.infer<typeof optimizer>
type Common = Pick<Optimizer, 'lr' | 'weight_decay' | 'decay'>
type Own = typeof OWN_KEYS

/** With every key of its kind. */
export type OptimizerChoice = Common &
  (({ kind: 'adamw' } & Own['adamw']) | ({ kind: 'adafactor' } & Own['adafactor']))

export function optimizerChoice({ kind, lr, weight_decay, decay, ...own }: Optimizer): OptimizerChoice {
  const given = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined))
  return { kind, lr, weight_decay, decay, ...OWN_KEYS[kind], ...given } as OptimizerChoice
}

export const schedule = z
  .strictObject({
    kind: oneOf(['cosine', 'linear', 'constant', 'wsd'])
      .default('cosine')
      .describe('How lr falls after the warm-up; wsd: it stays, and falls at the end.'),
    warmup: count(0).default(20).describe('Updates in which lr rises from 0.'),
    min_lr: z
      .number({ error: 'expected a number from 0' })
      .min(0, 'expected a number from 0')
      .default(0)
      .describe('lr of the last update; constant stays at lr.'),
    decay: positive()
      .default(0.2)
      .describe('wsd: the last updates, in which lr falls; below 1 a share of all, from 1 on a count.'),
    decay_shape: oneOf(['linear', '1-sqrt'])
      .default('linear')
      .describe('wsd: how it falls; 1-sqrt is quick at first (arXiv 2405.18392).'),
  })
  .prefault({})
