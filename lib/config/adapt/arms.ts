/** Ways to teach a chat model a language: a row an arm. A new one: a row here, a line in docs/adapt.md, a test. */
import { z } from 'zod'
import { oneOf } from '../checks'
import { scaleSchema } from '../scales'
import { sweepSchema } from '../sweep'
import { byObjective } from './training'

export type TrainedObjective = 'cp' | 'inscp' | 'sft' | 'dpo'

export interface ArmRow {
  /** For the model card. */
  about: string
  /** What is trained: the chat model, or the base that it was tuned from. */
  from: 'chat' | 'base'
  /** One after another. */
  trainings: readonly TrainedObjective[]
  /** Of the chat vector that is added in the end, where none is given; none: no vector is. */
  scale?: number
}

export const ARMS = {
  cp: {
    about: 'continual pre-training of the chat model on plain text (orgCP of arXiv 2405.20175)',
    from: 'chat',
    trainings: ['cp'],
  },
  inscp: {
    about: 'continual pre-training of the chat model in its own chat template (InsCP, arXiv 2405.20175)',
    from: 'chat',
    trainings: ['inscp'],
  },
  cp_vector: {
    about: 'continual pre-training of the base model, then the chat vector (arXiv 2310.04799)',
    from: 'base',
    trainings: ['cp'],
    scale: 1,
  },
  // The chat model has the vector once already, and scale 0 is inscp itself.
  inscp_vector: {
    about: 'InsCP of the chat model (arXiv 2405.20175), then more of the chat vector (arXiv 2310.04799)',
    from: 'chat',
    trainings: ['inscp'],
    scale: 0.5,
  },
  cp_sft: {
    about: 'continual pre-training, then fine-tuning on instructions',
    from: 'base',
    trainings: ['cp', 'sft'],
  },
  cp_sft_vector: {
    about: 'continual pre-training, fine-tuning on instructions, then the chat vector (arXiv 2310.04799)',
    from: 'base',
    trainings: ['cp', 'sft'],
    scale: 0.5,
  },
  cp_sft_dpo: {
    about: 'continual pre-training, then fine-tuning on instructions, then on preferences (DPO)',
    from: 'base',
    trainings: ['cp', 'sft', 'dpo'],
  },
} as const satisfies Record<string, ArmRow>

export type ArmName = keyof typeof ARMS
export const ARM_NAMES = Object.keys(ARMS) as [ArmName, ...ArmName[]]

const NAME = 'expected letters, digits, dots and underscores'

const search = z
  .strictObject(
    sweepSchema.omit({
      ...{ target: true, base: true, chat: true, delta: true, force: true, out: true, write_best: true },
      ...{ data_cache: true, device: true, dtype: true, threads: true, seed: true },
    }).shape,
  )
  .optional()
  .meta({
    keys_of: 'sweep',
    description: 'Keys of sweep, objectives among them: the scale is searched for, and the best is taken.',
  })

export const armSchema = z.strictObject({
  arm: oneOf(ARM_NAMES).describe('What is done.'),
  name: z
    .string({ error: NAME })
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.]*$/, NAME)
    .optional()
    .describe('What it is called in tables and folders; default: the name of the arm.'),
  from: oneOf(['chat', 'base'])
    .optional()
    .describe('Which model is trained; default: as the arm says, and chat where no base is given.'),
  scale: scaleSchema.optional().describe('Of the chat vector, as graft takes it; default: as the arm says.'),
  search,
  objectives: byObjective.describe('Keys of train for trainings of this arm alone, over those above.'),
})

/** The name of an arm, or a table. */
export const arm = z
  .union([oneOf(ARM_NAMES).transform((name): z.input<typeof armSchema> => ({ arm: name })), armSchema], {
    error: `expected ${ARM_NAMES.join(' | ')}, or { arm } with its keys`,
  })
  .pipe(armSchema)

export type ArmConfig = z.infer<typeof arm>
