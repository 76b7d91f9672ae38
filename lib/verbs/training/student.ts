/** A student that is made of its teacher: some of its blocks, and where asked fewer channels. */
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import { decoderSpec } from '../../checkpoint/model_config'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { type Handle, native, runJob } from '../../native'

export interface StudentPlan {
  /** Numbers of the teacher's blocks that it has, ascending. */
  layers: number[]
  hidden_size: number
  /** Its config.json. */
  config: JsonObject
  initialize: 'teacher' | 'random'
}

type StudentKeys = NonNullable<TrainConfig['student']>

/** Throws ERR_CONFIG for what the teacher does not have. */
export function planStudent(keys: StudentKeys, teacher: ModelFolder): StudentPlan {
  const spec = decoderSpec(teacher.config, teacher.configFile)
  const layers = chosenLayers(keys, spec.layers.length)
  const { hidden_size = spec.hidden_size, initialize } = keys
  if (hidden_size > spec.hidden_size) throw tooMany('hidden_size', spec.hidden_size, hidden_size)
  const config = withLayers(
    { ...teacher.config, hidden_size },
    layers.map((layer) => spec.layers[layer]!),
    { head_dim: spec.head_dim },
  )
  return { layers, hidden_size, config, initialize }
}

function chosenLayers({ layers, every, first }: StudentKeys, count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i)
  if (every !== undefined) return all.filter((layer) => layer % every === 0)
  if (first !== undefined) {
    if (first > count) throw tooMany('first', count, first)
    return all.slice(0, first)
  }
  if (layers === undefined) return all
  const chosen = [...new Set(layers)].sort((a, b) => a - b)
  if (chosen.at(-1)! >= count) throw tooMany('layers', count - 1, chosen.at(-1)!)
  return chosen
}

function tooMany(key: string, most: number, received: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_CONFIG',
    `config: student.${key}: expected at most ${most}, which the teacher has, received ${received}`,
    {
      hint: 'A student is a part of its teacher; blocks are numbered from 0.',
      details: { key: `student.${key}` },
    },
  )
}

/** The teacher's weights in float32, cut to the student's sizes. */
export async function cutStudent(
  { layers, hidden_size }: StudentPlan,
  teacher: ModelFolder,
  { threads, signal }: { threads: number; signal: AbortSignal },
): Promise<Handle> {
  const spec = decoderSpec(teacher.config, teacher.configFile)
  const options = { folder: teacher.path, spec, dtype: 'float32', threads }
  const model = await runJob('loadModel', options, { signal })
  try {
    const narrower = hidden_size < spec.hidden_size && { hidden_size }
    await runJob('makeStudent', { model, layers, ...narrower, threads }, { signal })
    return model
  } catch (error) {
    native().dispose(model)
    throw error
  }
}
