/** What a training config may say: the single truth for types, checks, help and docs/train.md. */
import { z } from 'zod'

const positive = () => z.number({ error: 'expected a number above 0' }).positive('expected a number above 0')
const count = (least: number) =>
  z
    .int({ error: `expected a whole number from ${least}` })
    .min(least, `expected a whole number from ${least}`)
const text = () => z.string({ error: 'expected text' }).min(1, 'expected text')
const share = () =>
  z
    .number({ error: 'expected a number from 0 to below 1' })
    .min(0, 'expected a number from 0 to below 1')
    .lt(1, 'expected a number from 0 to below 1')
const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `expected ${values.join(' | ')}` })

export const OBJECTIVES = ['cp', 'inscp', 'sft'] as const

const source = z.strictObject({
  path: text().describe('A .txt, .jsonl or .json file.'),
  format: oneOf(['text', 'messages', 'alpaca', 'sharegpt', 'pairs'])
    .optional()
    .describe('What a record holds; guessed from the first records and shown.'),
  field: text().optional().describe('Key of the text in records of format text; default: text.'),
  split: oneOf(['paragraph', 'line', 'file'])
    .optional()
    .describe('Where plain text is cut into documents; default: paragraph.'),
  weight: positive()
    .default(1)
    .describe('How often each document is seen an epoch; 0.5 takes a seeded half of them.'),
})

const sources = z
  .array(source, { error: 'expected a list of { path }' })
  .min(1, 'expected at least one source')

/** How random weights are drawn when training starts from `init`. */
const initialization = z.strictObject({
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

export const trainSchema = z.strictObject({
  objective: oneOf(OBJECTIVES)
    .default('cp')
    .describe('cp: plain text; inscp: text in the chat template; sft: conversations.'),
  model: text().optional().describe('Model folder or run folder to start from.'),
  init: z
    .looseObject({ initialization: initialization.prefault({}) })
    .optional()
    .describe('Instead of model: keys of config.json, and how the random weights are drawn.'),
  tokenizer: text()
    .optional()
    .describe('Folder whose tokenizer and template are used instead of those of the model.'),
  out: text().describe(
    'Run folder: checkpoints/, metrics.jsonl, report.json, resolved.yaml, and model/ at the end.',
  ),
  data: sources.describe('What is trained on.'),
  sequence_length: count(2).default(256).describe('Tokens a row.'),
  batch_size: count(1).default(8).describe('Rows a micro-step.'),
  accumulation: count(1)
    .default(1)
    .describe('Micro-steps an update; the loss is the mean over all their targets.'),
  steps: count(1).default(300).describe('Updates.'),
  optimizer: z
    .strictObject({
      lr: positive().default(1e-3).describe('Learning rate after the warm-up.'),
      weight_decay: z
        .number({ error: 'expected a number from 0' })
        .min(0, 'expected a number from 0')
        .default(0.01)
        .describe('Decoupled; of what decay says.'),
      betas: z
        .tuple([share(), share()], { error: 'expected two numbers below 1' })
        .default([0.9, 0.95])
        .describe('How slowly the two moments forget.'),
      eps: positive().default(1e-8).describe('Added to the root of the second moment.'),
      decay: oneOf(['matrices', 'all'])
        .default('matrices')
        .describe('all: norms and biases are decayed as well.'),
    })
    .prefault({})
    .describe('AdamW.'),
  schedule: z
    .strictObject({
      kind: oneOf(['cosine', 'linear', 'constant'])
        .default('cosine')
        .describe('How lr falls after the warm-up.'),
      warmup: count(0).default(20).describe('Updates in which lr rises from 0.'),
      min_lr: z
        .number({ error: 'expected a number from 0' })
        .min(0, 'expected a number from 0')
        .default(0)
        .describe('lr of the last update.'),
    })
    .prefault({}),
  clip: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .default(1)
    .describe('Largest norm of the gradient; 0 = not clipped.'),
  checkpoint: z
    .strictObject({
      every: count(0).default(100).describe('Updates between checkpoints; 0 = only when stopped.'),
      keep: count(1).default(2).describe('The newest ones that stay.'),
    })
    .prefault({}),
  eval: z
    .strictObject({
      every: count(1).default(100).describe('Updates between evaluations; there is one more at either end.'),
      data: sources.describe('Not trained on.'),
    })
    .optional()
    .describe('Loss on held-out data, as the objective reads it.'),
  inscp: z
    .strictObject({
      loss: oneOf(['all', 'assistant', 'body']).default('all').describe('Which tokens are learnt.'),
      system: text().optional().describe('A system turn before the empty user turn.'),
    })
    .prefault({}),
  device: oneOf(['cpu']).default('cpu').describe('In this build the only one.'),
  dtype: oneOf(['float32']).default('float32').describe('Of weights, arithmetic and the saved model.'),
  threads: count(0).default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of the order of the data and of random weights.'),
})

export type TrainConfig = z.infer<typeof trainSchema>
export type DataSource = z.infer<typeof source>
