/** What a landscape of compressed models may be told. */
import { z } from 'zod'
import { count, oneOf, positive, text, threads } from './checks'
import { calibration, evaluate } from './compress'
import { probingSchema } from './probe'
import { sound } from './sound'

const NAME = 'expected letters, digits, dots, dashes and underscores'

const value = z.union([z.number(), text()], { error: 'expected a number or text' })
const rate = z.union([value, z.record(text(), value)], {
  error: 'expected a number, text, or a table of named ones',
})

const technique = z.strictObject({
  name: z
    .string({ error: NAME })
    .regex(/^[A-Za-z0-9][\w.-]*$/, NAME)
    .refine((name) => name !== 'original', 'expected another name than that of the model as it is')
    .describe('What its points are called; the name of a colour in the charts.'),
  rates: z
    .array(rate, { error: 'expected a list of rates' })
    .min(1, 'expected at least one rate')
    .optional()
    .describe(
      'A point each: a number or text, which stands where stages say $rate, or { heads: 6 } for $heads.',
    ),
  stages: z
    .array(z.record(z.string(), z.unknown()), { error: 'expected a list of { method }' })
    .min(1, 'expected at least one stage')
    .describe('As in compress, with $rate where the rate goes.'),
})

const measure = z
  .strictObject({
    tokens: count(2)
      .optional()
      .describe(
        'Of the prompt whose time is measured, and MACs are counted for; of speech its places. Default: 128 of text.',
      ),
    seconds: positive()
      .max(3600, 'expected at most 3600')
      .optional()
      .describe('Of speech, in place of tokens: how long the sound is. Default: 5.'),
    new_tokens: count(2).default(32).describe('Tokens that are generated to measure decoding.'),
    warmup: count(0).default(3).describe('Passes that are not counted.'),
    repeats: count(1).default(15).describe('Passes that are: the fastest and the median are told.'),
    threads: threads().default(1).describe("CPU threads; 0 = libtorch's own choice."),
  })
  .prefault({})
  .describe('How speed is measured.')

export const landscapeSchema = z.strictObject({
  verb: z.literal('landscape').default('landscape').describe('What the config is for.'),
  model: text().describe('Model folder or run folder that all points start from.'),
  out: text().describe('Run folder: report.json, landscape.csv, landscape.html, metrics.jsonl, points/.'),
  techniques: z
    .array(technique, { error: 'expected a list of { name, rates, stages }' })
    .min(1, 'expected at least one technique')
    .describe('What is tried, at which rates.'),
  evaluate: evaluate.unwrap().describe('Quality: loss and perplexity on these.'),
  measure,
  sound,
  probe: probingSchema
    .optional()
    .describe('Of speech: what is learned on the frozen states of every point, as in the verb probe.'),
  calibration,
  recovery: z.record(z.string(), z.unknown(), { error: 'expected keys of train' }).optional().meta({
    keys_of: 'train', // checked, and filled in, with each point
    description: 'Keys of train that hold for every stage that trains, where it does not say otherwise.',
  }),
  keep_models: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Leave the model of each point under points/; else it goes once it is measured.'),
  data_cache: text()
    .optional()
    .describe(
      'Where encoded data are kept; default: TONGUEFORGE_DATA_CACHE, else the cache folder of the user.',
    ),
  device: oneOf(['cpu']).default('cpu').describe('The only one so far.'),
  dtype: oneOf(['float32', 'bfloat16'])
    .optional()
    .describe(
      'Of arithmetic and of the models that come out; default: as the model is stored, float32 where that is float16.',
    ),
  threads: threads()
    .default(0)
    .describe("CPU threads of everything but what is timed; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of calibration rows, trainings and techniques that draw numbers.'),
})

export type LandscapeConfig = z.infer<typeof landscapeSchema>
export type TechniqueConfig = LandscapeConfig['techniques'][number]
export type Rate = z.infer<typeof rate>
