/** The config of a training: read, and its keys checked against each other. */
import { isSpeechConfig } from '../../checkpoint/speech_config'
import { checkConfig, configError, keyError, readGiven } from '../../config/parse'
import { type TrainConfig, trainSchema } from '../../config/train'
import { objectives } from '../../text/objectives'
import { checkAnomalyKeys } from './anomalies'
import { checkPruning } from './prune_schedule'
import { checkSchedule } from './schedule'
import { checkSelection } from './selection'
import { checkTeachingKeys } from './teaching'

/** A YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readTrainConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<TrainConfig> {
  const { file, raw } = await readGiven(source, overrides)
  const config = checkConfig(trainSchema, raw, file)
  checkStart(config, file)
  const hears = config.init !== undefined && isSpeechConfig(config.init)
  if (config.init !== undefined && !hears && config.tokenizer === undefined && config.teacher === undefined) {
    throw configError(file, 'expected tokenizer beside init, received none', {
      hint: 'tokenizer: FOLDER names the folder with tokenizer.json.',
      key: 'tokenizer',
    })
  }
  checkSelection(config, file)
  checkAdapterKeys(config, file)
  checkInscpKeys(config, file)
  checkAnomalyKeys(config, file)
  checkSchedule(config, file)
  checkLossKeys(config, file)
  checkPruning(config, file)
  checkTeachingKeys(config, file)
  return config
}

function checkStart(config: TrainConfig, file: string): void {
  const given = (['model', 'init', 'student'] as const).filter((key) => config[key] !== undefined)
  if (given.length === 1) return
  const starts = config.objective === 'distil' ? 'one of model, init and student' : 'either model or init'
  throw configError(file, `expected ${starts}, received ${given.join(' and ') || 'none'}`, {
    hint:
      'model: FOLDER starts from a model, init: { ...keys of config.json } from random weights' +
      (config.objective === 'distil' ? ', student: { first: 6 } from a part of the teacher.' : '.'),
    key: 'model',
  })
}

function checkInscpKeys({ init, inscp }: TrainConfig, file: string): void {
  if (inscp.max_perplexity === undefined) return
  if (init !== undefined) {
    throw keyError(
      file,
      'inscp.max_perplexity',
      'expected model beside it, received init',
      'Random weights know no text. Measure by a model that has learned: model: FOLDER.',
    )
  }
  if (inscp.perplexity_sample !== undefined) {
    throw keyError(
      file,
      'inscp.perplexity_sample',
      'expected nothing beside max_perplexity',
      'A filter measures every document. Leave perplexity_sample out.',
    )
  }
}

// A preference loss is over whole answers, and has a reference to hold the model; a teacher holds it too.
function checkLossKeys({ objective, z_loss }: TrainConfig, file: string): void {
  if (z_loss === 0 || (objective !== 'distil' && objectives[objective].loss !== 'preference')) return
  throw keyError(
    file,
    'z_loss',
    `expected 0 with objective ${objective}, received ${z_loss}`,
    'z_loss belongs to the losses over tokens: cp, inscp, sft and masked.',
  )
}

function checkAdapterKeys(config: TrainConfig, file: string): void {
  if (config.lora && !config.model) {
    throw keyError(
      file,
      'lora',
      `expected model beside it, received ${config.init ? 'init' : 'student'}`,
      'Adapters go on a model that has learned.',
    )
  }
  if (config.adapter !== undefined && !config.lora) {
    throw keyError(
      file,
      'adapter',
      'expected lora beside it, received none',
      'lora: {} goes on training the adapter. To train the model with it merged in, first: ' +
        `tongueforge adapter merge --model ${config.model} --adapter ${config.adapter} --out MERGED`,
    )
  }
}
