/** What can be a stage of `compress`. A new one: a file beside this, its schema in lib/config/compress, a row in each table. */
import type { StageConfig, StageMethod } from '../../config/compress'
import { distil } from './distil'
import { heads } from './heads'
import { layers } from './layers'
import { lowrank } from './lowrank'
import { prune } from './prune'
import { quantize } from './quantize'
import { recover } from './recover'
import { rows } from './rows'
import type { Stage, TrainingStage } from './stage'

type Row<Method extends StageMethod> =
  | Stage<Extract<StageConfig, { method: Method }>>
  | TrainingStage<Extract<StageConfig, { method: Method }>>

export const STAGES: { readonly [Method in StageMethod]: Row<Method> } = {
  heads,
  rows,
  layers,
  lowrank,
  prune,
  quantize,
  recover,
  distil,
}

/** Whether a stage is a training on a folder, not native work in memory. */
export const trains = (stage: Stage | TrainingStage): stage is TrainingStage => 'training' in stage
