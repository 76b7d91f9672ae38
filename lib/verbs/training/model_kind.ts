/** Which models an objective trains: encoders learn hidden tokens, decoders the next one. */
import {
  type EncoderArchitecture,
  type EncoderSpec,
  encoderClass,
  isEncoderConfig,
} from '../../checkpoint/encoder_config'
import type { JsonObject } from '../../checkpoint/json_file'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { objectiveOf, objectives } from '../../text/objectives'

/** Under `init`, an encoder is one with the head that is trained, unless its keys say another class. */
export function withTrainedHead(config: JsonObject): JsonObject {
  if (!isEncoderConfig(config) || config.architectures !== undefined) return config
  return { ...config, architectures: [encoderClass(config.model_type as EncoderArchitecture, 'masked_lm')] }
}

/** Throws ERR_CONFIG where the objective is not one for this model. */
export function checkKind(config: TrainConfig, spec: ModelSpec): void {
  const { objective } = config
  if (spec.kind === 'speech') throw noText(spec.architecture)
  if ((objectives[objectiveOf(config)].loss === 'masked') !== (spec.kind === 'encoder')) {
    const key = objective === 'distil' ? 'distil.encode' : 'objective'
    throw problem(
      key,
      `expected one for a model of type ${spec.architecture}, received ${objectiveOf(config)}`,
      spec.kind === 'encoder'
        ? `${key}: masked trains an encoder.`
        : `${key}: masked is for bert and roberta; others train this model.`,
    )
  }
  if (spec.kind === 'encoder') checkEncoder(config, spec, 'model')
}

/** Throws ERR_CONFIG where the encoder that `key` names has not what learning hidden tokens needs. */
export function checkEncoder(
  { sequence_length, eval: evaluation, lora }: TrainConfig,
  spec: EncoderSpec,
  key: 'model' | 'teacher',
): void {
  if (spec.head !== 'masked_lm') {
    throw problem(
      key,
      `expected an encoder with a masked-LM head, received one with ${spec.head === 'none' ? 'none' : 'a classifier'}`,
      `Its config.json should say "architectures": ["${encoderClass(spec.architecture, 'masked_lm')}"], and its weights have that head.`,
    )
  }
  const room = spec.max_positions - spec.first_position
  if (sequence_length > room) {
    throw problem(
      'sequence_length',
      `expected at most ${room}, received ${sequence_length}`,
      `The ${key} has a learnt position for each token of a text, and no more of them.`,
    )
  }
  if (evaluation?.samples) {
    throw problem(
      'eval.samples',
      'expected nothing with an encoder, which writes no text',
      'Leave the samples out.',
    )
  }
  if (lora) {
    throw problem(
      'lora',
      'expected nothing with an encoder: adapters are for decoders',
      'Train it as a whole, or freeze a part of it: freeze: [PATTERN].',
    )
  }
}

const noText = (architecture: string) =>
  problem(
    'model',
    `expected a model of text, received a speech encoder (${architecture})`,
    'No objective trains speech encoders yet.',
  )

const problem = (key: string, message: string, hint: string) =>
  new TongueforgeError('ERR_CONFIG', `config: ${key}: ${message}`, { hint, details: { key } })
