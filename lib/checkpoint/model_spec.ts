/** config.json of a model of any kind -> its description. */
import { refusing } from './config_checks'
import {
  ENCODER_ARCHITECTURES,
  type EncoderSpec,
  encoderLinears,
  encoderSpec,
  isEncoderConfig,
} from './encoder_config'
import type { JsonObject } from './json_file'
import type { LayerLinear, LayerSpec } from './layers'
import { ARCHITECTURES, type DecoderSpec, decoderSpec, isDecoderConfig, layerLinears } from './model_config'
import type { SpecOptions } from './quantization_config'
import {
  isSpeechConfig,
  SPEECH_ARCHITECTURES,
  type SpeechSpec,
  speechLinears,
  speechSpec,
} from './speech_config'

export type ModelSpec = DecoderSpec | EncoderSpec | SpeechSpec

/** As decoderSpec, encoderSpec and speechSpec, by `model_type`. Throws ERR_MODEL_CONFIG. */
export function modelSpec(content: JsonObject, file = 'config.json', options: SpecOptions = {}): ModelSpec {
  if (isEncoderConfig(content)) return encoderSpec(content, file, options)
  if (isSpeechConfig(content)) return speechSpec(content, file)
  if (isDecoderConfig(content)) return decoderSpec(content, file, options)
  const known = [...ARCHITECTURES, ...ENCODER_ARCHITECTURES, ...SPEECH_ARCHITECTURES].join(', ')
  return refusing(file)('model_type', `a supported architecture (${known})`, content.model_type)
}

/** Whether its head is the table that it begins with. */
export const hasTiedHead = (spec: ModelSpec): boolean => spec.kind !== 'speech' && spec.tie_word_embeddings

/** The longest row that it can take. */
export function mostPositions(spec: ModelSpec): number {
  if (spec.kind === 'speech') return Number.POSITIVE_INFINITY
  return spec.kind === 'encoder' ? spec.max_positions - spec.first_position : spec.max_positions
}

/**
 * To how many positions a decoder may write on: where rotary positions are stretched, as far as they reach, though
 * config.json may tell of the trained ones alone. As native/models/positions.h has it.
 */
export function positionsToWrite({ max_positions, rope }: DecoderSpec): number {
  const stretches = ['linear', 'dynamic', 'yarn'].includes(rope.kind)
  return stretches
    ? Math.max(max_positions, Math.floor(rope.factor * rope.original_max_positions))
    : max_positions
}

/** The linear layers of a block, in the order of the forward pass. */
export function linearsOf(spec: ModelSpec, layer: LayerSpec): LayerLinear[] {
  if (spec.kind === 'encoder') return encoderLinears(spec, layer)
  return spec.kind === 'speech' ? speechLinears(spec, layer) : layerLinears(spec, layer)
}
