/** What a sweep may be told. */
import { z } from 'zod'
import { count, oneOf, positive, text, threads } from './checks'
import { sources } from './data'
import { scaleNumber as scale } from './scales'

const range = z
  .strictObject({
    from: scale(),
    to: scale(),
    steps: count(2).default(9),
  })
  .refine(({ from, to }) => from < to, 'expected from below to')

const objective = z.strictObject({
  name: text().describe('What it is called in the curve and in the report.'),
  loss: oneOf(['text', 'messages']).describe(
    'text: of plain text, all tokens; messages: of what the assistant says in the chat template.',
  ),
  data: sources.describe('Held-out files: the same rows at every scale.'),
  weight: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .optional()
    .describe('Of its loss in the sum that is made small; default: 1, and 0 where it has a limit.'),
  limit: z
    .number({ error: 'expected a number' })
    .optional()
    .describe('Its loss is to be no larger: points within all limits are better than any that is not.'),
})

export const sweepSchema = z.strictObject({
  target: text().describe('Model folder that the vector is put on.'),
  base: text().optional().describe('The base model that chat was tuned from.'),
  chat: text().optional().describe('The chat model; its template is used where it has one.'),
  delta: text()
    .optional()
    .describe('Instead of base and chat: a folder with their difference, as delta extract writes it.'),
  force: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe('Take a delta also for a target that does not seem to descend from its base.'),
  out: text().describe('Run folder: metrics.jsonl, report.json, curve.json, curve.svg, resolved.yaml.'),
  scales: z
    .union([z.array(scale()).min(1, 'expected at least one number'), range], {
      error: 'expected a list of numbers, or { from, to, steps }',
    })
    .default({ from: 0, to: 1.2, steps: 7 })
    .describe(
      'Scales to try: a list, or { from, to, steps }. golden_section goes from the least to the largest. Default: 0 to 1.2 in 7 steps.',
    ),
  by: oneOf(['global', 'module_kind', 'layer_group'])
    .default('global')
    .describe('One scale for all weights, for each kind of module, or for each group of layers.'),
  groups: count(1)
    .default(4)
    .describe('layer_group: how many; the embedding goes with the first, the head with the last.'),
  search: oneOf(['grid', 'golden_section', 'coordinate'])
    .default('grid')
    .describe(
      'grid: all combinations; golden_section: one valley, one scale; coordinate: one scale after another.',
    ),
  tolerance: positive().default(0.02).describe('How near to the best scale golden sections end.'),
  rounds: count(1).default(2).describe('coordinate: how often each scale has its turn at most.'),
  start: scale().default(1).describe('coordinate: where all scales begin.'),
  max_points: count(1).default(200).describe('A search that could need more is refused.'),
  objectives: z
    .array(objective, { error: 'expected a list of { name, loss, data }' })
    .min(1, 'expected at least one objective')
    .describe('What is measured at every point.'),
  write_best: text().optional().describe('Model folder to write the best point to, as graft does.'),
  data_cache: text()
    .optional()
    .describe(
      'Where encoded data are kept; default: TONGUEFORGE_DATA_CACHE, else the cache folder of the user.',
    ),
  sequence_length: count(2).default(256).describe('Tokens a row.'),
  batch_size: count(1).default(8).describe('Rows at a time.'),
  device: oneOf(['cpu']).default('cpu').describe('The only one so far.'),
  dtype: oneOf(['float32', 'bfloat16'])
    .default('float32')
    .describe('Of arithmetic. Weights are rounded as files of the target have them, whatever it is.'),
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of which documents a weight below 1 takes.'),
})

export type SweepConfig = z.infer<typeof sweepSchema>
export type ObjectiveConfig = SweepConfig['objectives'][number]
