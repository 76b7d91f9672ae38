/** What `probe` may be told, and what a landscape may be told of probes. */
import { z } from 'zod'
import { audioSources } from './audio'
import { count, oneOf, positive, text, threads } from './checks'

const NAME = 'expected letters, digits, dots, dashes and underscores'

const train = audioSources
  .optional()
  .describe('Sound that is learned from; a manifest, as its columns have the labels.')
const test = audioSources.optional().describe('Sound that it is judged on; nothing of it may be in train.')
const folds = z
  .array(audioSources, { error: 'expected a list of lists of { path }' })
  .min(2, 'expected at least two folds')
  .optional()
  .describe(
    'Instead of train: a probe is learned from each of these, and figures are means over them. For few labels.',
  )

export const probe = z.strictObject({
  name: z
    .string({ error: NAME })
    .regex(/^[A-Za-z0-9][\w.-]*$/, NAME)
    .describe('What its figures and files are called.'),
  kind: oneOf(['utterance', 'frames', 'sequence']).describe(
    'What is foretold: a class an utterance, a class a place, or a sequence of tokens (CTC).',
  ),
  label: text().describe(
    'Column of the manifest. utterance: the class. frames: an alignment, a path relative to the manifest. sequence: tokens, parted by spaces.',
  ),
  lexicon: text()
    .optional()
    .describe('Of a sequence: a file with a word and its phones a line, which stand in place of the words.'),
  layers: z
    .union([count(0), oneOf(['weighted', 'last'])], {
      error: 'expected weighted, last, or the number of a layer from 0',
    })
    .default('weighted')
    .describe(
      'weighted: all of them, with weights that are learned; last: what the model gives; n: what the n-th block gives, 0 what goes into the first.',
    ),
  standardize: oneOf(['layer', 'value', 'none'])
    .default('layer')
    .describe(
      'layer: the mean of each value is taken off, and one deviation a layer divides all; value: each by its own; none. Of the training sound.',
    ),
  steps: count(1).default(150).describe('Updates.'),
  batch_size: count(1).optional().describe('Utterances an update; default: all of them.'),
  lr: positive().default(1e-2).describe('Learning rate of Adam, the same at every step.'),
  weight_decay: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .default(0)
    .describe('Of the matrix, decoupled.'),
  train,
  folds,
  test,
})

/** Keys that probes have wherever they are asked for. */
export const probingKeys = {
  train: train.describe('Sound that is learned from, where a probe does not say otherwise.'),
  folds: folds.describe('As train, for several trainings on few labels.'),
  test: test.describe('Sound that probes are judged on, where a probe does not say otherwise.'),
  max_memory_gb: positive()
    .default(4)
    .describe('What hidden states may take: all lie in memory. A run that needs more is refused at once.'),
  probes: z
    .array(probe, { error: 'expected a list of { name, kind, label }' })
    .min(1, 'expected at least one probe')
    .describe('What is learned.'),
}

export const probingSchema = z.strictObject(probingKeys)

export const probeSchema = z.strictObject({
  verb: z.literal('probe').default('probe').describe('What the config is for.'),
  model: text().describe('Speech model, a folder or a run folder; it is not changed.'),
  out: text().describe('Folder: report.json, heads/, predictions/.'),
  ...probingKeys,
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of the order of utterances where batch_size is given.'),
})

export type ProbeConfig = z.infer<typeof probeSchema>
export type ProbingConfig = z.infer<typeof probingSchema>
export type OneProbe = z.infer<typeof probe>
