/** What a pipeline of compression may be told. A technique's own keys are in compress/, a file a method. */
import { z } from 'zod'
import { count, oneOf, text, threads } from './checks'
import { distilSchema } from './compress/distil'
import { headsSchema } from './compress/heads'
import { layersSchema } from './compress/layers'
import { lowrankSchema } from './compress/lowrank'
import { pruneSchema } from './compress/prune'
import { quantizeSchema } from './compress/quantize'
import { recoverSchema } from './compress/recover'
import { recovery } from './compress/recovery'
import { rowsSchema } from './compress/rows'
import { sources } from './data'
import { sound } from './sound'

/** A row a method; lib/verbs/compressing/stages.ts has what they do. */
export const STAGE_SCHEMAS = [
  headsSchema,
  rowsSchema,
  layersSchema,
  lowrankSchema,
  pruneSchema,
  quantizeSchema,
  recoverSchema,
  distilSchema,
] as const

const flag = () => z.boolean({ error: 'expected true or false' })

export const calibration = z
  .strictObject({
    data: sources.describe('Texts that are like what the model is for.'),
    samples: count(1).default(128).describe('Rows that are looked at.'),
    sequence_length: count(2).default(512).describe('Tokens a row.'),
    batch_size: count(1).default(8).describe('Rows at a time.'),
    seed: count(0).optional().describe('Of which rows are taken; default: that of the pipeline.'),
  })
  .optional()
  .describe('Text that techniques look at which need to know what weights are used for.')

export const evaluate = z
  .strictObject({
    data: sources.describe('Held-out files.'),
    sequence_length: count(2).default(512).describe('Tokens a row.'),
    batch_size: count(1).default(8).describe('Rows at a time.'),
  })
  .optional()
  .describe('Loss and perplexity on these before the first stage and after each.')

export const compressSchema = z.strictObject({
  verb: z.literal('compress').default('compress').describe('What the config is for.'),
  model: text().describe('Model folder or run folder to start from.'),
  out: text().describe(
    'Run folder: stages/, metrics.jsonl, report.json, resolved.yaml, and model/ at the end.',
  ),
  calibration,
  recovery,
  evaluate,
  sound,
  stages: z
    .array(z.discriminatedUnion('method', STAGE_SCHEMAS), { error: 'expected a list of { method }' })
    .min(1, 'expected at least one stage')
    .describe('What is done, one after another; the keys of each method are below.'),
  uniform: flag()
    .default(false)
    .describe(
      'Every layer comes out alike and none is factored, so that transformers loads it; else: refused.',
    ),
  keep: oneOf(['all', 'last'])
    .default('last')
    .describe('Which model folders under stages/ stay: of every stage, or none once the next one is whole.'),
  macs_tokens: count(1).default(512).describe('Tokens of the text that MACs are counted for.'),
  data_cache: text()
    .optional()
    .describe(
      'Where encoded data are kept; default: TONGUEFORGE_DATA_CACHE, else the cache folder of the user.',
    ),
  device: oneOf(['cpu']).default('cpu').describe('The only one so far.'),
  dtype: oneOf(['float32', 'bfloat16'])
    .optional()
    .describe(
      'Of arithmetic, of every folder under stages/ and of the result; default: as the model is stored, float32 where that is float16.',
    ),
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of calibration rows, trainings and techniques that draw numbers.'),
})

export type CompressConfig = z.infer<typeof compressSchema>
export type StageConfig = CompressConfig['stages'][number]
export type StageMethod = StageConfig['method']
