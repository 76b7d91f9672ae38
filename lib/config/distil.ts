/** Learning from a teacher: what `teacher`, `student` and `distil` may say. */
import { z } from 'zod'
import { count, oneOf, positive, text } from './checks'

export const teacher = text()
  .optional()
  .describe('distil: model folder or run folder to learn from; it is not changed.')

const atLeastZero = () => z.number({ error: 'expected a number from 0' }).min(0, 'expected a number from 0')
const flag = () => z.boolean({ error: 'expected true or false' })

export const distil = z
  .strictObject({
    encode: oneOf(['cp', 'inscp', 'sft', 'masked'])
      .default('cp')
      .describe(
        'How data are read, and which tokens are learnt: as by the objective of this name; masked: for encoders.',
      ),
    temperature: positive()
      .default(1)
      .describe("Student's and teacher's logits are divided by it before they are compared."),
    alpha: atLeastZero()
      .max(1, 'expected a number from 0 to 1')
      .default(0.5)
      .describe('Share of the teacher in the loss; the rest is the likelihood of the tokens themselves.'),
    squared: flag()
      .default(true)
      .describe('The divergence counts temperature^2 times, so that its gradient does not fade.'),
    divergence: oneOf(['forward', 'reverse'])
      .default('forward')
      .describe(
        'forward: KL(teacher, student); reverse: KL(student, teacher), which keeps to what the teacher is sure of.',
      ),
    dtype: oneOf(['float32', 'bfloat16']).optional().describe('Of the teacher; default: that of the run.'),
    hidden: z
      .strictObject({
        layers: z
          .array(z.tuple([count(0), count(0)], { error: 'expected [student, teacher]' }), {
            error: 'expected a list of [student, teacher]',
          })
          .min(1, 'expected a pair of layers')
          .describe('Pairs [student, teacher]: states behind so many blocks; 0 is what goes into the first.'),
        weight: positive().default(1).describe('Of the mean over the pairs, on top of the loss.'),
        cosine: atLeastZero()
          .default(1)
          .describe('How much the angle between two states counts beside their distance.'),
      })
      .optional()
      .describe(
        'Hidden states are to be like those of the teacher (arXiv 2110.01900); default: they are free.',
      ),
  })
  .prefault({})

export const student = z
  .strictObject({
    layers: z
      .array(count(0), { error: 'expected a list of blocks' })
      .min(1, 'expected a block')
      .optional()
      .describe('Blocks of the teacher that it has, by number from 0.'),
    every: count(1).optional().describe('Or every so many, from the first on.'),
    first: count(1).optional().describe('Or so many of the first.'),
    num_heads: count(1)
      .optional()
      .describe(
        'Heads of each block, those of the largest weights; key heads go with all their query heads.',
      ),
    intermediate_size: count(1)
      .optional()
      .describe('Rows of the feed-forward layer of each block, those of the largest weights.'),
    hidden_size: count(1).optional().describe('Channels, those that most is written into; default: all.'),
    initialize: oneOf(['teacher', 'random'])
      .default('teacher')
      .describe('Where its weights start; random: only its sizes are of the teacher.'),
  })
  .optional()
  .describe('Instead of model: one made of the teacher. Default: all its blocks.')
