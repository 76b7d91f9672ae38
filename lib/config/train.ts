/** What a training config may say: the single truth for types, checks, help and docs/train.md. */
import { z } from 'zod'
import { anomaly } from './anomaly'
import { count, oneOf, text, threads } from './checks'
import { replaySources, sources } from './data'
import { device } from './device'
import { distil, student, teacher } from './distil'
import { distributed } from './distributed'
import { dpo } from './dpo'
import { dropout } from './dropout'
import { initialization } from './initialization'
import { inscp } from './inscp'
import { checkpoint, evaluation, result, tensorboard } from './loop'
import { adapter, freeze, lora } from './lora'
import { masked } from './masked'
import { optimizer, schedule } from './optimizer'
import { keepZeros, pruning } from './pruning'
import { sound } from './sound'

export const OBJECTIVES = ['cp', 'inscp', 'sft', 'dpo', 'distil', 'masked'] as const

export const trainSchema = z.strictObject({
  objective: oneOf(OBJECTIVES)
    .default('cp')
    .describe(
      'cp: plain text; inscp: text in the chat template; sft: conversations; dpo: preferences; distil: what a teacher says; masked: hidden words or hidden sound, for encoders.',
    ),
  model: text().optional().describe('Model folder or run folder to start from.'),
  init: z
    .looseObject({ initialization: initialization.prefault({}) })
    .optional()
    .describe('Instead of model: keys of config.json, and how the random weights are drawn.'),
  teacher,
  student,
  tokenizer: text()
    .optional()
    .describe('Folder whose tokenizer and template are used instead of those of the model.'),
  out: text().describe(
    'Run folder: checkpoints/, metrics.jsonl, report.json, resolved.yaml, and model/ at the end.',
  ),
  data: sources.describe('What is trained on.'),
  freeze,
  lora,
  adapter,
  replay: replaySources
    .optional()
    .describe(
      'Older data mixed in, so that what was learnt from them is kept: each has its share of the rows.',
    ),
  data_cache: text()
    .optional()
    .describe(
      'Where encoded data are kept; default: TONGUEFORGE_DATA_CACHE, else the cache folder of the user.',
    ),
  sequence_length: count(2).default(256).describe('Tokens a row; of sound, places a row at most.'),
  batch_size: count(1).default(8).describe('Rows a micro-step.'),
  accumulation: count(1)
    .default(1)
    .describe('Micro-steps an update; the loss is the mean over all their targets.'),
  steps: count(1).default(300).describe('Updates.'),
  optimizer,
  schedule,
  clip: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .default(1)
    .describe('Largest norm of the gradient; 0 = not clipped.'),
  z_loss: z
    .number({ error: 'expected a number from 0' })
    .min(0, 'expected a number from 0')
    .default(0)
    .describe(
      'Adds so much times log(sum exp logits)^2, the mean over the targets, to what is made small (arXiv 2204.02311).',
    ),
  pruning,
  keep_zeros: keepZeros,
  anomaly,
  checkpoint,
  result,
  eval: evaluation,
  tensorboard,
  inscp,
  dpo,
  distil,
  masked,
  sound,
  dropout,
  device: device(),
  deterministic: z
    .boolean({ error: 'expected true or false' })
    .default(false)
    .describe(
      'On a GPU: the same bytes for the same run, also when it was resumed; slower. On the CPU it is so anyway.',
    ),
  graph: oneOf(['auto', 'off'])
    .default('off')
    .describe(
      'On a GPU, auto: the passes of a micro-step are recorded once and replayed as one, where that is possible.',
    ),
  dtype: oneOf(['float32', 'bfloat16'])
    .default('float32')
    .describe('Of arithmetic and the saved model; what is updated is kept in float32 as well.'),
  activation_checkpointing: oneOf(['none', 'block'])
    .default('none')
    .describe(
      'block: of each block only what goes in is kept, and computed again for the gradient: less memory, more time, the same bytes.',
    ),
  distributed,
  threads: threads().default(0).describe("CPU threads; 0 = libtorch's own choice."),
  seed: count(0).default(1).describe('Of the order of the data and of random weights.'),
})

export type TrainConfig = z.infer<typeof trainSchema>
