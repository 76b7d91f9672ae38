/** What a user's own task may say: keys of the task files of lm-evaluation-harness that need no Python. */
import { z } from 'zod'
import { count, oneOf, share, text } from './checks'

const anyText = () => z.string({ error: 'expected text' })
const files = z.union([text(), z.array(text()).min(1, 'expected at least one file')], {
  error: 'expected a file or a list of files',
})

const flag = () => z.boolean({ error: 'expected true or false' })

const pattern = text().transform((source, issues) => {
  try {
    return new RegExp(source, 'gu')
  } catch (error) {
    issues.addIssue({ code: 'custom', message: `expected a regular expression: ${(error as Error).message}` })
    return z.NEVER
  }
})

const metric = z.strictObject({
  metric: text().describe('Its name: docs/evaluate.md and docs/generation_tasks.md list them.'),
  aggregation: oneOf(['mean', 'weighted_perplexity', 'bits_per_byte']).optional(),
  higher_is_better: flag().optional(),
  ignore_case: flag().optional().describe('Of exact_match and contains: capital letters are small ones.'),
  ignore_punctuation: flag().optional().describe('The same: without the punctuation marks of ASCII.'),
  ignore_numbers: flag().optional().describe('The same: without digits.'),
  regexes_to_ignore: z
    .array(pattern, { error: 'expected a list of regular expressions' })
    .optional()
    .describe('The same: without what these regular expressions match, as JavaScript has them.'),
})

const number = (least: number) =>
  z.number({ error: `expected a number from ${least}` }).min(least, `expected a number from ${least}`)

const generationKwargs = z
  .strictObject({
    until: z
      .union([text(), z.array(text())], { error: 'expected a text or a list of texts' })
      .default([])
      .transform((until) => [until].flat())
      .describe('Texts that end an answer.'),
    max_gen_toks: count(1).optional().describe('The longest answer, in tokens; default: 256.'),
    do_sample: flag()
      .optional()
      .describe('false: always the most probable token, whatever the temperature; true wants a temperature.'),
    temperature: number(0).optional().describe('Above 0: answers are sampled. Default: 0.'),
    top_p: share()
      .gt(0, 'expected a number above 0')
      .optional()
      .describe('Sample from those that make up p.'),
    top_k: count(1).optional().describe('Sample from the k most probable tokens.'),
  })
  .optional()

export const taskSchema = z.strictObject({
  task: text()
    .describe('Its name: letters, digits, dots, dashes and underscores.')
    .regex(/^[\w.-]+$/, {
      error: 'expected letters, digits, dots, dashes and underscores',
    }),
  dataset_path: oneOf(['json', 'csv', 'parquet']).describe(
    'What kind the files are of; their endings decide.',
  ),
  dataset_kwargs: z
    .strictObject({
      data_files: z.record(text(), files, { error: 'expected a table of a file for each split' }),
    })
    .describe('`data_files`: the file or files of each split, relative to the folder of the task file.'),
  output_type: oneOf(['multiple_choice', 'loglikelihood_rolling', 'generate_until']).describe(
    'Which answer is likeliest; the perplexity of texts; or what the model writes.',
  ),
  training_split: text().nullish().describe('Split that examples come from.'),
  validation_split: text().nullish().describe('Split that is evaluated where there is no test_split.'),
  test_split: text().nullish().describe('Split that is evaluated.'),
  fewshot_split: text().nullish().describe('Split that examples come from instead.'),
  fewshot_config: z
    .strictObject({ sampler: oneOf(['default', 'first_n']).default('default') })
    .prefault({})
    .describe('`sampler`: `default` draws examples for each document, `first_n` takes the first.'),
  num_fewshot: count(0).optional().describe('Examples before a question; 0 holds whatever is asked for.'),
  description: anyText()
    .default('')
    .describe('Stands before all else: a text, which may have {{ field }} in it, or a field of the record.'),
  doc_to_text: anyText()
    .default('')
    .describe(
      'The question: a field of the record, or a text with {{ field }} in it (Jinja). Of generate_until a list is the turns of the user, one after the other.',
    ),
  doc_to_choice: z
    .union([text(), z.array(text()).min(1, 'expected at least one answer')], {
      error: 'expected a list of answers, a field, or {{ an expression }}',
    })
    .optional()
    .describe(
      'Of multiple_choice: the answers, a list, a field that holds one, or {{ an expression }} that gives one.',
    ),
  doc_to_target: z
    .union([z.int(), text()], { error: 'expected a number, a field, or a text with {{ field }} in it' })
    .optional()
    .describe(
      'The right answer: its place from 0, or its text (digits that a template makes are a place, as in the harness; those of a field are the text of an answer, if there is one); of loglikelihood_rolling the text itself; of generate_until a text, a list of texts, or nothing.',
    ),
  doc_to_language: text()
    .optional()
    .describe(
      'Of generate_until: the language that answers are expected in, a field of the record, a template, or a tag such as zh-Hant; default: that of the prompt.',
    ),
  doc_to_part: text()
    .optional()
    .describe(
      'Of generate_until: what a document belongs to, a field of the record or a template; each part is told on its own, too.',
    ),
  languages: z
    .record(text(), text(), { error: 'expected a table of the letters of each language' })
    .refine((all) => Object.keys(all).length > 0, 'expected the letters of at least one language')
    .optional()
    .describe(
      'Of generate_until: languages by the letters that they are written in, `{ a: abc, b: αβγ }`, told apart by these instead of a detector.',
    )
    .meta({ keys_of: 'languages' }),
  refusal_phrases: z
    .array(text(), { error: 'expected a list of phrases' })
    .optional()
    .describe(
      'Of generate_until: beginnings that are refusals, beside the listed ones; … stands for anything within a sentence.',
    ),
  judged: z
    .strictObject({
      references: text().optional().describe('File of the reference answers, relative to the task file.'),
      language: text().optional().describe('What `judge.language` is for this task, as Traditional Chinese.'),
    })
    .optional()
    .describe(
      'Of generate_until: a judge may rate the answers. Records are questions as FastChat writes them, and doc_to_text has nothing to say: docs/judge.md.',
    ),
  generation_kwargs: generationKwargs.describe('Of generate_until: how answers are written.'),
  target_delimiter: anyText().default(' ').describe('Between a question and an answer.'),
  fewshot_delimiter: anyText().default('\n\n').describe('Behind each example.'),
  metric_list: z
    .array(metric, { error: 'expected a list of { metric }' })
    .min(1, 'expected at least one metric')
    .optional()
    .describe(
      'What is told; default: acc and acc_norm, all three perplexities, or stop_rate. The first compares models; of perplexities bits_per_byte does.',
    ),
  metadata: z
    .strictObject({ version: z.union([z.number(), text()]).default(1) })
    .prefault({})
    .describe('`version` of the task, for the report.'),
})

export type TaskConfig = z.infer<typeof taskSchema>
