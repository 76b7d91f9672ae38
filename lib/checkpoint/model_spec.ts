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

export type ModelSpec = DecoderSpec | EncoderSpec

/** As decoderSpec and encoderSpec, by `model_type`. Throws ERR_MODEL_CONFIG. */
export function modelSpec(content: JsonObject, file = 'config.json', options: SpecOptions = {}): ModelSpec {
  if (isEncoderConfig(content)) return encoderSpec(content, file, options)
  if (isDecoderConfig(content)) return decoderSpec(content, file, options)
  const known = [...ARCHITECTURES, ...ENCODER_ARCHITECTURES].join(', ')
  return refusing(file)('model_type', `a supported architecture (${known})`, content.model_type)
}

/** The linear layers of a block, in the order of the forward pass. */
export const linearsOf = (spec: ModelSpec, layer: LayerSpec): LayerLinear[] =>
  spec.kind === 'encoder' ? encoderLinears(spec, layer) : layerLinears(spec, layer)
