/** What learning from a teacher needs beside data: the teacher, checked against its student, and the loss's settings. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../../checkpoint/model_spec'
import { keyError } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { countParameters } from '../../counting/parameters'
import { TongueforgeError } from '../../errors'
import { type DistillationSettings, type Handle, runJob } from '../../native'
import type { ModelText } from '../../text/model_text'
import { Tokenizer } from '../../text/tokenizer'
import { checkEncoder, checkSpeech } from './model_kind'

export interface Teaching {
  teacher: ModelFolder
  spec: ModelSpec
  dtype: 'float32' | 'bfloat16'
  /** Shapes of what is trained beside the student: from its hidden states to those of a teacher of another width. */
  projections: [number, number][]
}

/** As a dry run tells it. */
export interface TeachingSummary {
  teacher: string
  parameters: number
  dtype: string
}

/** Throws ERR_CONFIG for layers that are not there, ERR_MODEL_CONFIG. */
export function planTeaching(
  config: TrainConfig,
  teacher: ModelFolder | undefined,
  student: ModelSpec,
): Teaching | undefined {
  if (!teacher) return undefined
  const { distil, dtype } = config
  const spec = modelSpec(teacher.config, teacher.configFile)
  checkTeacher(config, spec, student)
  const pairs = distil.hidden?.layers ?? []
  for (const [own, others] of pairs) {
    checkLayer(own, student, 'student')
    checkLayer(others, spec, 'teacher')
  }
  const [from, to] = [student.hidden_size, spec.hidden_size]
  const projections = from === to ? [] : pairs.map((): [number, number] => [to, from])
  return { teacher, spec, dtype: distil.dtype ?? dtype, projections }
}

function checkTeacher(config: TrainConfig, teacher: ModelSpec, student: ModelSpec): void {
  if (teacher.kind === student.kind) {
    if (teacher.kind === 'encoder') checkEncoder(config, teacher, 'teacher')
    if (teacher.kind === 'speech') checkSpeech(config, teacher, 'teacher')
    return
  }
  const text = `config: teacher: expected ${aOf[student.kind]} as the student, received ${aOf[teacher.kind]}`
  throw new TongueforgeError('ERR_CONFIG', `${text} of type ${teacher.architecture}`, {
    hint: 'Encoders learn from encoders, models that write text from such models.',
    details: { key: 'teacher' },
  })
}

const aOf = { decoder: 'a decoder', encoder: 'an encoder', speech: 'a speech encoder' }

function checkLayer(passed: number, { layers }: Pick<ModelSpec, 'layers'>, whose: string): void {
  if (passed <= layers.length) return
  throw new TongueforgeError(
    'ERR_CONFIG',
    `config: distil.hidden.layers: expected at most ${layers.length} blocks of the ${whose}, received ${passed}`,
    {
      hint: 'A pair is [student, teacher]: states behind so many blocks.',
      details: { key: 'distil.hidden.layers' },
    },
  )
}

/** Each id has to mean the same token to both. Throws ERR_VOCABULARY. */
export async function checkSameTokens({ teacher, spec }: Teaching, { tokenizer }: ModelText): Promise<void> {
  const theirs = await Tokenizer.load(teacher.path)
  const count = tokenizer.idCount
  if (count > spec.vocab_size) {
    throw otherVocabulary(teacher, `${count} ids that the teacher knows too`, `${spec.vocab_size}`)
  }
  if (theirs.sha256 === tokenizer.sha256) return
  for (let id = 0; id < count; id++) {
    const [own, other] = [tokenizer.idToToken(id), theirs.idToToken(id)]
    if (own !== undefined && own !== other) {
      const received = other === undefined ? 'no token' : JSON.stringify(other)
      throw otherVocabulary(teacher, `token ${id} to be ${JSON.stringify(own)} as for the student`, received)
    }
  }
}

function otherVocabulary({ path }: ModelFolder, expected: string, received: string): TongueforgeError {
  return new TongueforgeError('ERR_VOCABULARY', `${path}: expected ${expected}, received ${received}`, {
    hint: 'Teacher and student need one vocabulary: make the student of the teacher (student: {}), or take another teacher.',
    details: { path },
  })
}

export function loadTeacher(
  { teacher: { path }, spec, dtype }: Teaching,
  { device, threads, signal }: { device: string; threads: number; signal: AbortSignal },
): Promise<Handle> {
  return runJob('loadModel', { folder: path, spec, dtype, device, threads }, { signal })
}

export function distillationSettings(
  { distil: { temperature, alpha, squared, divergence, hidden }, seed }: TrainConfig,
  teacher: Handle,
): DistillationSettings {
  const settings = { teacher, temperature, alpha, squared, divergence }
  if (!hidden) return settings
  const { layers, weight, cosine } = hidden
  return {
    ...settings,
    hidden: {
      student_layers: layers.map(([own]) => own),
      teacher_layers: layers.map(([, others]) => others),
      ...{ weight, cosine, seed },
    },
  }
}

export const summariseTeaching = ({ teacher, spec, dtype }: Teaching): TeachingSummary => ({
  teacher: teacher.path,
  parameters: countParameters(spec),
  dtype,
})

/** Throws ERR_CONFIG for keys that need each other. */
export function checkTeachingKeys(config: TrainConfig, file: string): void {
  const { objective, teacher, student } = config
  const refuse = (key: string, message: string, hint: string) => {
    throw keyError(file, key, message, hint)
  }
  if (objective === 'distil' && teacher === undefined)
    refuse(
      'teacher',
      'expected a model to learn from, received none',
      'teacher: FOLDER names the larger model.',
    )
  for (const key of ['teacher', 'student'] as const)
    if (objective !== 'distil' && config[key] !== undefined)
      refuse(key, `expected objective distil beside it, received ${objective}`, 'Set objective: distil.')
  const ways = (['layers', 'every', 'first'] as const).filter((key) => student?.[key] !== undefined)
  if (ways.length > 1)
    refuse(
      `student.${ways[1]}`,
      `expected nothing beside ${ways[0]}`,
      'One of layers, every and first says it.',
    )
}
