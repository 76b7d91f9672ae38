/** What an evaluation may be told. */
import { z } from 'zod'
import { count, oneOf, share, text, threads } from './checks'
import { device } from './device'
import { judgeSchema } from './judge'
import { scorers } from './scorers'

const flag = () => z.boolean({ error: 'expected true or false' }).default(false)
const NAME = 'expected letters, digits, dots, dashes and underscores'

const model = z.strictObject({
  path: text().describe('A model folder, or a run folder.'),
  name: z
    .string({ error: NAME })
    .regex(/^[A-Za-z0-9][\w.-]*$/, NAME)
    .optional()
    .describe('What it is called in tables and folders; default: the name of its folder.'),
  adapter: text().optional().describe('Folder of a LoRA adapter to put on it, as PEFT writes it.'),
})

const number = (least: number) =>
  z.number({ error: `expected a number from ${least}` }).min(least, `expected a number from ${least}`)

/** How answers are written; what is not given is as the document says, else the task, else the default. */
export const generation = z
  .strictObject({
    max_new_tokens: count(1).optional().describe('The longest answer; default: as the task says, else 256.'),
    temperature: number(0)
      .optional()
      .describe('0: always the most probable token; default: as the task says, else 0.'),
    top_p: share()
      .gt(0, 'expected a number above 0')
      .optional()
      .describe('Sample from those that make up p.'),
    top_k: count(1).optional().describe('Sample from the k most probable tokens.'),
    seed: count(0)
      .optional()
      .describe('Document i samples with seed + i; default: as the task says, else 0.'),
    chat_template: oneOf(['auto', 'force', 'plain'])
      .default('auto')
      .describe("`auto`: in the model's chat template, where it has one; `plain`: as a text to go on with."),
  })
  .prefault({})

export type GenerationConfig = z.infer<typeof generation>

export const evaluateSchema = z.strictObject({
  verb: z.literal('evaluate').default('evaluate').describe('What the config is for.'),
  models: z
    .array(
      z
        .union([text().transform((path): z.input<typeof model> => ({ path })), model], {
          error: 'expected a model folder, or { path, name, adapter }',
        })
        .pipe(model),
      { error: 'expected a list of models' },
    )
    .min(1, 'expected at least one model')
    .describe('Model folders, or { path, name, adapter }; the others are compared with the first.'),
  tasks: z
    .array(text(), { error: 'expected a list of tasks' })
    .min(1, 'expected at least one task')
    .describe('Names of tasks and groups, or task files of your own, *.yaml.'),
  data: text().default('.').describe('Folder with the data sets and the task files that belong to them.'),
  out: text().describe('Run folder: report.json, results.jsonl, and a folder of samples for each model.'),
  limit: count(1)
    .optional()
    .describe(
      'So many documents of each task, the first ones, of each part where a task has parts; default: all.',
    ),
  num_fewshot: count(0)
    .optional()
    .describe('Examples before each question; default: as the task says, mostly none.'),
  fewshot_seed: count(0).default(1234).describe('Of the draw of examples.'),
  chat_template: flag().describe("Put questions into the model's chat template."),
  fewshot_as_multiturn: flag().describe('With chat_template: examples are turns of their own.'),
  system_instruction: text()
    .optional()
    .describe('Stands before all else; with chat_template, the turn of the system.'),
  generation: generation.describe('How answers of generation tasks are written.'),
  language_model: text()
    .optional()
    .describe(
      'A classifier of fastText such as lid.176.bin, for tasks that look at the language of answers; default: the detector that comes along.',
    ),
  judge: judgeSchema.meta({ keys_of: 'judge' }).optional(),
  scorers: scorers
    .prefault({})
    .meta({ keys_of: 'scorers' })
    .describe(
      'Who scores answers, by `toxicity` and `sentiment`, for tasks that need it: docs/generation_tasks.md.',
    ),
  max_length: count(2)
    .optional()
    .describe('Longest text in tokens, cut from the left; default: the positions of the model.'),
  add_bos_token: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .describe('Whether special tokens are added to a text; default: as the tokenizer does.'),
  batch_tokens: count(0).default(0).describe('Tokens that go through a model at once; 0: by the device.'),
  device: device(),
  dtype: oneOf(['float32', 'bfloat16', 'float16']).default('float32').describe('Of weights and arithmetic.'),
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
})

export type EvaluateConfig = z.infer<typeof evaluateSchema>
