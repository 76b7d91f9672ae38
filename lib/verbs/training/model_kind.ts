/** Which models an objective trains: encoders learn hidden tokens, decoders the next one. */
import {
  type EncoderArchitecture,
  type EncoderSpec,
  encoderClass,
  isEncoderConfig,
} from '../../checkpoint/encoder_config'
import type { JsonObject } from '../../checkpoint/json_file'
import { type ModelSpec, mostPositions } from '../../checkpoint/model_spec'
import type { SpeechSpec } from '../../checkpoint/speech_config'
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
  if ((objectives[objectiveOf(config)].loss === 'masked') !== (spec.kind !== 'decoder')) {
    const key = objective === 'distil' ? 'distil.encode' : 'objective'
    throw problem(
      key,
      `expected one for a model of type ${spec.architecture}, received ${objectiveOf(config)}`,
      spec.kind === 'decoder'
        ? `${key}: masked is for bert, roberta and melhubert; others train this model.`
        : `${key}: masked trains an encoder.`,
    )
  }
  if (spec.kind === 'encoder') checkEncoder(config, spec, 'model')
  checkSound(spec, config)
  if (spec.kind === 'speech') checkSpeech(config, spec, 'model')
  if (spec.kind === 'decoder' && Object.values(config.dropout).some((rate) => rate > 0))
    throw notDropped(config)
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
  const room = mostPositions(spec)
  if (sequence_length > room) {
    throw problem(
      'sequence_length',
      `expected at most ${room}, received ${sequence_length}`,
      `The ${key} has a learnt position for each token of a text, and no more of them.`,
    )
  }
  checkWritesNothing({ eval: evaluation, lora })
}

/** Throws ERR_CONFIG where the speech encoder that `key` names has not what learning hidden sound needs. */
export function checkSpeech(config: TrainConfig, spec: SpeechSpec, key: 'model' | 'teacher'): void {
  if (spec.vocab_size === 0) {
    throw problem(
      key,
      `expected a speech encoder that foretells clusters, received a ${spec.architecture} without`,
      'Of speech encoders melhubert is trained: its config.json says num_cluster.',
    )
  }
  if (config.replay) {
    throw problem(
      'replay',
      'expected nothing with a speech encoder',
      'Name older sound under data, with a weight.',
    )
  }
  checkWritesNothing(config)
}

function checkWritesNothing({ eval: evaluation, lora }: Pick<TrainConfig, 'eval' | 'lora'>): void {
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

/** Throws ERR_CONFIG where a speech encoder has no targets though a loss `asks` for them, or another model has sound. */
export function checkSound(
  { kind, architecture }: ModelSpec,
  { sound }: Pick<TrainConfig, 'sound'>,
  asks = true,
): void {
  if (kind === 'speech' ? sound?.targets !== undefined || !asks : sound === undefined) return
  const [expected, hint] =
    kind !== 'speech'
      ? [
          `nothing with a model of type ${architecture}, which reads text`,
          'sound is for speech encoders: leave it out.',
        ]
      : [
          'the clusters that a speech encoder foretells, received none',
          'sound: { targets: FOLDER } names what `tongueforge clusters` has made.',
        ]
  throw problem(kind !== 'speech' ? 'sound' : 'sound.targets', `expected ${expected}`, hint)
}

const notDropped = ({ dropout }: TrainConfig) =>
  problem(
    'dropout',
    `expected 0 with a model that writes text, received ${JSON.stringify(dropout)}`,
    'Encoders learn with dropout; adapters have their own: lora.dropout.',
  )

const problem = (key: string, message: string, hint: string) =>
  new TongueforgeError('ERR_CONFIG', `config: ${key}: ${message}`, { hint, details: { key } })
