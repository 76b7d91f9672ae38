/** A student that is made of its teacher: some of its blocks, and where asked fewer heads, rows and channels of them. */
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import type { LayerSpec } from '../../checkpoint/layers'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { modelSpec } from '../../checkpoint/model_spec'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { type Handle, native, runJob } from '../../native'
import { warnOfUnread } from '../unread_tensors'
import { type ModelKind, ownLoss } from './own_loss'

export interface StudentPlan {
  /** Numbers of the teacher's blocks that it has, ascending. */
  layers: number[]
  /** What each of them has left. */
  sizes: LayerSpec[]
  hidden_size: number
  /** Its config.json. */
  config: JsonObject
  initialize: 'teacher' | 'random'
}

type StudentKeys = NonNullable<TrainConfig['student']>

/** Throws ERR_CONFIG for what the teacher does not have. */
export function planStudent(keys: StudentKeys, teacher: ModelFolder): StudentPlan {
  const spec = modelSpec(teacher.config, teacher.configFile)
  const layers = chosenLayers(keys, spec.layers.length)
  const { hidden_size = spec.hidden_size, initialize } = keys
  if (hidden_size > spec.hidden_size) throw tooMany('hidden_size', spec.hidden_size, hidden_size)
  if (spec.kind !== 'decoder' && hidden_size < spec.hidden_size)
    throw fixedWidth(spec.hidden_size, hidden_size)
  const sizes = layers.map((layer) => narrowed(spec.layers[layer]!, keys))
  const config = withLayers({ ...teacher.config, hidden_size }, sizes, { head_dim: spec.head_dim })
  return { layers, sizes, hidden_size, config, initialize }
}

function narrowed(layer: LayerSpec, keys: StudentKeys): LayerSpec {
  const { num_heads = layer.num_heads, intermediate_size = layer.intermediate_size } = keys
  const shared = layer.num_heads / layer.num_kv_heads
  if (num_heads > layer.num_heads) throw tooMany('num_heads', layer.num_heads, num_heads)
  if (intermediate_size > layer.intermediate_size)
    throw tooMany('intermediate_size', layer.intermediate_size, intermediate_size)
  if (num_heads % shared !== 0) throw partedGroups(shared, num_heads)
  return { ...layer, num_heads, num_kv_heads: num_heads / shared, intermediate_size }
}

function partedGroups(shared: number, received: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_CONFIG',
    `config: student.num_heads: expected a multiple of ${shared}, as so many share a key head, received ${received}`,
    { hint: 'Key heads go with all their query heads.', details: { key: 'student.num_heads' } },
  )
}

function fixedWidth(expected: number, received: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_CONFIG',
    `config: student.hidden_size: expected ${expected}, as the teacher is an encoder, received ${received}`,
    { hint: 'Only the width of decoders can be cut.', details: { key: 'student.hidden_size' } },
  )
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
  { layers, sizes, hidden_size }: StudentPlan,
  teacher: ModelFolder,
  { threads, signal, warn }: { threads: number; signal: AbortSignal; warn: (message: string) => void },
): Promise<Handle> {
  const spec = modelSpec(teacher.config, teacher.configFile)
  const options = { folder: teacher.path, spec, dtype: 'float32', threads }
  const model = await runJob('loadModel', options, { signal, onItem: warnOfUnread(teacher.path, warn) })
  try {
    const narrower = hidden_size < spec.hidden_size && { hidden_size }
    await runJob('makeStudent', { model, layers, ...narrower, threads }, { signal })
    const before = layers.map((layer) => spec.layers[layer]!)
    await cutHeadsAndRows(model, before, sizes, { kind: spec.kind, threads, signal })
    return model
  } catch (error) {
    native().dispose(model)
    throw error
  }
}

// By the magnitude of weights: no text is needed.
async function cutHeadsAndRows(
  model: Handle,
  before: readonly LayerSpec[],
  after: readonly LayerSpec[],
  { kind, threads, signal }: { kind: ModelKind; threads: number; signal: AbortSignal },
): Promise<void> {
  const by = { model, batches: [], threads, loss: ownLoss(kind).loss, criterion: 'l1' } as const
  const cuts = (key: 'num_heads' | 'intermediate_size') =>
    after.some((layer, i) => layer[key] < before[i]![key])
  if (cuts('num_heads')) {
    const keep = after.map(({ num_kv_heads }) => num_kv_heads)
    await runJob('pruneHeads', { ...by, unit: 'group', keep }, { signal })
  }
  if (cuts('intermediate_size')) {
    const keep = after.map(({ intermediate_size }) => intermediate_size)
    await runJob('pruneRows', { ...by, keep }, { signal })
  }
}
