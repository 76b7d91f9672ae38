/** What a config of `merge` may say: mergekit-yaml's keys, and some of our own. */
import { z } from 'zod'
import { byteSize } from './byte_size'
import { count, oneOf, text } from './checks'
import { METHOD_NAMES } from './merge_methods'
import { parameters } from './merge_parameters'

const REFERENCE = 'expected text: PATH, or PATH+ADAPTER for a model with a LoRA adapter merged into it'
const model = () => z.string({ error: REFERENCE }).min(1, REFERENCE)
const flag = () => z.boolean({ error: 'expected true or false' })
const RANGE = 'expected [first, end], whole numbers with first < end'
const layerRange = z
  .tuple([count(0), count(1)], { error: RANGE })
  .refine(([first, end]) => first < end, { error: RANGE })
const DTYPES = ['float32', 'bfloat16', 'float16'] as const

const input = z.strictObject({
  model: model().describe(
    'Model folder or run folder; `PATH+ADAPTER` merges a LoRA adapter into it on the way.',
  ),
  parameters: parameters.describe('Of this model alone.'),
})

const slice = z.strictObject({
  sources: z
    .array(
      z.strictObject({
        ...input.shape,
        layer_range: layerRange.describe('Layers first to end, end not included.'),
      }),
      { error: 'expected a list of { model, layer_range }' },
    )
    .min(1, 'expected at least one source')
    .describe('Ranges of equal length, merged layer by layer.'),
  base_model: model().optional().describe('Instead of the base_model of the whole merge.'),
  parameters: parameters.describe('Of this slice.'),
})

const TOKEN = 'expected a model, { kind: model_token, model, token | token_id } or { kind: zero }'
const tokenSource = z.union(
  [
    z.string(),
    z.strictObject({ kind: z.literal('zero') }),
    z
      .strictObject({
        kind: z.literal('model_token'),
        model: model(),
        token: z.string().optional(),
        token_id: count(0).optional(),
      })
      .refine(({ token, token_id }) => token === undefined || token_id === undefined, {
        error: 'expected token or token_id, not both',
      }),
  ],
  { error: TOKEN },
)

const token = z.strictObject({
  source: tokenSource
    .optional()
    .describe('Whose row a model without this token takes: a model, a token of a model, or zeros.'),
  force: flag().default(false).describe('All models take that row, also those that have the token.'),
})

const tokenizer = z.strictObject({
  source: text()
    .default('union')
    .describe('union: the tokens of all models; base: those of base_model; or a model.'),
  tokens: z
    .record(z.string(), token, { error: 'expected a table of tokens' })
    .optional()
    .describe('Rows of single tokens: `{TOKEN: {source, force}}`.'),
  pad_to_multiple_of: count(1).optional().describe('Rows of embedding and head come in multiples of this.'),
})

export const mergeSchema = z.strictObject({
  verb: z
    .literal('merge', { error: 'expected merge' })
    .optional()
    .describe('merge, as resolved.yaml has it.'),
  merge_method: oneOf(METHOD_NAMES).describe('How tensors of one name become one.'),
  models: z
    .array(input, { error: 'expected a list of { model, parameters }' })
    .min(1, 'expected at least one model')
    .optional()
    .describe('Models merged from the first layer to the last. Either these or slices.'),
  slices: z
    .array(slice, { error: 'expected a list of { sources }' })
    .min(1, 'expected at least one slice')
    .optional()
    .describe('Layers of the result, from the first on, each slice from layers of its own.'),
  base_model: model()
    .optional()
    .describe(
      'What deltas are counted from; gives config.json, and tokenizer and template unless told otherwise.',
    ),
  parameters: parameters.describe('Of the method, for all models that have no value of their own.'),
  dtype: oneOf(DTYPES)
    .optional()
    .describe(
      'Of the result. With `compat: mergekit` the arithmetic is done in it, too; otherwise in float32.',
    ),
  out_dtype: oneOf(DTYPES).optional().describe('Of the result, where it is not dtype.'),
  tokenizer: tokenizer.optional().describe('The vocabulary of the result; rows go by the text of tokens.'),
  tokenizer_source: text().optional().describe('The older way to say tokenizer.source.'),
  chat_template: text()
    .optional()
    .describe(
      'auto (what most models have), chatml, llama3, mistral, alpaca, exaone, or a template in Jinja.',
    ),
  compat: oneOf(['mergekit'])
    .optional()
    .describe('mergekit: its rounding, order and seeded randomness, bit for bit where it is deterministic.'),
  seed: count(0).default(0).describe('Of the methods that drop values at random.'),
  shard_size: byteSize().default('5GB').describe('Largest weight file; 1 kB = 1000 bytes.'),
})

export type MergeConfig = z.infer<typeof mergeSchema>
export type MergeSlice = z.infer<typeof slice>
export type MergeSource = MergeSlice['sources'][number]
export type TokenizerSection = z.infer<typeof tokenizer>
export type TokenSource = z.infer<typeof tokenSource>
export type MergeDtype = (typeof DTYPES)[number]
