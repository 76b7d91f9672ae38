/** The plan as native code reads it: models by number, rows as arrays. */
import { createHash } from 'node:crypto'
import { bytesOf } from '../../config/byte_size'
import type { MergeConfig } from '../../config/merge'
import type { ConfigMergeInputs, StandInRows } from '../../native'
import type { MergeModels } from './references'
import type { RowPlan } from './rows'
import { EMBEDDING, HEAD, headOf, type PlannedTensor, type TensorPlan } from './tensors'
import type { VocabularyPlan } from './vocabulary'

export function nativeInputs(
  config: MergeConfig,
  models: MergeModels,
  { tensors }: TensorPlan,
  { rows }: VocabularyPlan,
): ConfigMergeInputs {
  const references = [...models.keys()]
  const numberOf = new Map(references.map((reference, i) => [reference, i]))
  const compat = config.compat !== undefined
  const inputs = {
    method: config.merge_method,
    compat,
    seed: config.seed,
    max_shard_bytes: bytesOf(config.shard_size),
    models: [...models.values()].map(({ folder, adapter, spec }) => ({
      folder: folder.path,
      tied: spec.tie_word_embeddings,
      ...(adapter && { adapter: { path: adapter.weights, modules: adapter.modules } }),
    })),
    tensors: tensors.map((tensor) => ({
      ...numbered(tensor, numberOf),
      ...(tensor.rows && rows && { row_tensors: rowTensors(tensor.name, models, compat) }),
    })),
    ...(rows && {
      rows: { maps: references.map((model) => rows.maps.get(model)!), ...standIns(rows, numberOf) },
    }),
  }
  return { ...inputs, settings: settingsOf(inputs) }
}

function numbered(
  { base, inputs, rows: _, ...tensor }: PlannedTensor,
  numberOf: ReadonlyMap<string, number>,
) {
  const at = <Origin extends { model: string }>({ model, ...rest }: Origin) => ({
    model: numberOf.get(model)!,
    ...rest,
  })
  return { ...tensor, ...(base && { base: at(base) }), inputs: inputs.map(at) }
}

/** What each model has in the place of a tensor of rows: tied ones lend their embedding as the head. */
function rowTensors(name: string, models: MergeModels, compat: boolean): string[] {
  return [...models.values()].map(({ tensors, spec }) =>
    name === HEAD ? headOf({ tensors, tied: spec.tie_word_embeddings }, compat) : EMBEDDING,
  )
}

function standIns({ standIns }: RowPlan, numberOf: ReadonlyMap<string, number>): StandInRows {
  const rows = [...standIns.keys()].sort((a, b) => a - b)
  const owners = rows.map((row) => standIns.get(row)!)
  let end = 0
  const ends = owners.map((list) => {
    end += list.length
    return end
  })
  return {
    stand_in_rows: Int32Array.from(rows),
    stand_in_ends: Int32Array.from(ends),
    owner_models: Int32Array.from(owners.flatMap((list) => list.map(({ model }) => numberOf.get(model)!))),
    owner_rows: Int32Array.from(owners.flatMap((list) => list.map(({ row }) => row))),
  }
}

/** A hash of all that decides the bytes but the files of the models. */
function settingsOf(inputs: Omit<ConfigMergeInputs, 'settings'>): string {
  const hash = createHash('sha256')
  const plain = (_: string, value: unknown) => (ArrayBuffer.isView(value) ? '' : value)
  hash.update(JSON.stringify(inputs, plain))
  const { maps = [], ...lists } = inputs.rows ?? {}
  for (const list of [...maps, ...Object.values(lists)]) hash.update(`\n${list.length}\n`).update(list)
  return hash.digest('hex')
}
