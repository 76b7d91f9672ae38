/** preprocessor_config.json of a speech model: what it reads of sound. Keys of transformers where there are some. */
import { join } from 'node:path'
import { z } from 'zod'
import { checkedConfig, flag, integer } from '../checkpoint/config_checks'
import { readJsonObject } from '../checkpoint/json_file'
import { writeJson } from '../checkpoint/write_folder'

export const PREPROCESSOR_FILE = 'preprocessor_config.json'

const number = (least: number, what: string) => z.number({ error: what }).min(least, { error: what })
const above = (what: string) => z.number({ error: what }).positive({ error: what })
const values = z.array(z.number({ error: 'a number' }), { error: 'a list of numbers, one a bin' })
const rate = integer(1000, 768_000)

/** Log-mel frames, as Kaldi computes them (native/audio/filterbank.h). */
const melSchema = z.object({
  feature_extractor_type: z.literal('MelHubertFeatureExtractor'),
  sampling_rate: rate,
  num_mel_bins: integer(1, 1024).default(40),
  frame_length_ms: above('milliseconds above 0').default(25),
  frame_shift_ms: above('milliseconds above 0').default(10),
  preemphasis: number(0, 'a number from 0').default(0.97),
  window: z
    .enum(['hamming', 'hann', 'povey', 'rectangular'], {
      error: 'one of hamming, hann, povey, rectangular',
    })
    .default('hamming'),
  dither: number(0, 'a number from 0').default(0),
  stacked_frames: integer(1, 2).default(1),
  mean: values.nullish(),
  std: values.nullish(),
})

/** Samples, as transformers' Wav2Vec2FeatureExtractor takes them. */
const sampleSchema = z.object({
  feature_extractor_type: z.literal('Wav2Vec2FeatureExtractor').default('Wav2Vec2FeatureExtractor'),
  sampling_rate: rate.default(16_000),
  do_normalize: flag.default(true),
  return_attention_mask: flag.default(false),
  feature_size: z.literal(1, { error: '1' }).default(1),
  padding_value: z.number({ error: 'a number' }).default(0),
  padding_side: z.enum(['left', 'right'], { error: 'left or right' }).default('right'),
})

export type MelConfig = z.infer<typeof melSchema>
export type SampleConfig = z.infer<typeof sampleSchema>
export type FrontEndConfig = MelConfig | SampleConfig

export const isMel = (config: FrontEndConfig): config is MelConfig =>
  config.feature_extractor_type === 'MelHubertFeatureExtractor'

/** Throws ERR_NOT_FOUND, ERR_MODEL_CONFIG. */
export async function readFrontEndConfig(folder: string): Promise<FrontEndConfig> {
  const file = join(folder, PREPROCESSOR_FILE)
  return checkFrontEndConfig(await readJsonObject(file, { code: 'ERR_MODEL_CONFIG' }), file)
}

/** Keys that are not ours are passed over. Throws ERR_MODEL_CONFIG, naming `file`. */
export function checkFrontEndConfig(content: Record<string, unknown>, file: string): FrontEndConfig {
  if (content.feature_extractor_type === 'MelHubertFeatureExtractor') {
    const config = checkedConfig(melSchema.superRefine(checkWidths), content, file)
    return config
  }
  return checkedConfig(sampleSchema, content, file)
}

function checkWidths({ num_mel_bins, mean, std }: MelConfig, context: z.RefinementCtx): void {
  for (const [key, list] of Object.entries({ mean, std })) {
    const message = `${num_mel_bins} numbers, one a bin`
    if (list && list.length !== num_mel_bins) context.addIssue({ code: 'custom', path: [key], message })
  }
  if (std?.some((value) => !(value > 0)))
    context.addIssue({ code: 'custom', path: ['std'], message: 'numbers above 0' })
}

/** Throws ERR_NO_SPACE, ERR_IO. */
export function writeFrontEndConfig(folder: string, config: FrontEndConfig): Promise<void> {
  return writeJson(folder, PREPROCESSOR_FILE, config)
}
