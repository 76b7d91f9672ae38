/** What `clusters` may be told. */
import { z } from 'zod'
import { audioSources } from './audio'
import { count, oneOf, positive, text, threads } from './checks'

const from0 = () => z.number({ error: 'expected a number from 0' }).min(0, 'expected a number from 0')

const frontEnd = z
  .strictObject({
    sampling_rate: count(1000)
      .default(16_000)
      .describe('Samples a second; sound of another rate is resampled.'),
    num_mel_bins: count(1).default(40).describe('Values of a frame.'),
    frame_length_ms: positive().default(25).describe('Of what a frame is computed.'),
    frame_shift_ms: positive().default(10).describe('From one frame to the next.'),
    preemphasis: from0().default(0.97).describe('How much of the sample before is taken off.'),
    window: oneOf(['hamming', 'hann', 'povey', 'rectangular']).default('hamming').describe('Of a frame.'),
    dither: from0().default(0).describe('Deviation of noise that is added, in the scale of 16 bits.'),
    stacked_frames: z
      .int({ error: 'expected 1 or 2' })
      .min(1, 'expected 1 or 2')
      .max(2, 'expected 1 or 2')
      .default(1)
      .describe('Of the model that is to be trained: 2 for places of 20 ms, which get every second label.'),
  })
  .prefault({})
  .describe('Log-mel frames, where there is no model; audio.md says how they are computed.')

const kMeans = z
  .strictObject({
    clusters: count(2).default(512).describe('How many.'),
    max_frames: count(1)
      .default(1_000_000)
      .describe(
        'Frames in memory that centres are learnt from: of all utterances, or of a seeded choice of them.',
      ),
    start_points: count(1).default(4096).describe('Of these, how many the start (k-means++) is drawn from.'),
    batches: count(1).default(300).describe('Steps on a part of the frames.'),
    batch_size: count(1).default(2048).describe('Frames of such a step.'),
    full_steps: count(0).default(0).describe('Steps on all of them, afterwards.'),
  })
  .prefault({})
  .describe('How centres are learnt.')

const layer = z
  .union([count(0), z.literal('last')], { error: 'expected the number of a layer from 0, or last' })
  .optional()
  .describe(
    'Of the model, whose hidden states are clustered: 0 what goes into the first block, n what the n-th gives.',
  )

export const clustersSchema = z
  .strictObject({
    verb: z.literal('clusters').default('clusters').describe('What the config is for.'),
    data: audioSources.describe('Sound that centres are learnt from, and that gets labels.'),
    label_only: audioSources
      .optional()
      .describe('Further sound that gets labels; centres know nothing of it.'),
    out: text().describe(
      'Folder: clusters.json, centroids.safetensors, labels.safetensors, preprocessor_config.json, report.json.',
    ),
    model: text()
      .optional()
      .describe('Speech model whose hidden states are clustered; default: log-mel frames.'),
    layer,
    front_end: frontEnd,
    k_means: kMeans,
    threads: threads()
      .default(0)
      .describe(
        "CPU threads; 0 = libtorch's own choice. What comes of log-mel frames does not depend on it.",
      ),
    seed: count(0).default(1).describe('Of the choice of frames, the start and the batches.'),
  })
  .refine(({ model, layer: number }) => (model === undefined) === (number === undefined), {
    error: 'expected model and layer together, or neither',
    path: ['layer'],
  })

export type ClustersConfig = z.infer<typeof clustersSchema>
