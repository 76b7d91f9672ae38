/** Training on what a teacher says: what the stages before have left learns from the model that all began with. */
import type { DistilStage } from '../../config/compress/distil'
import type { TrainingStage } from './stage'

export const distil: TrainingStage<DistilStage> = {
  // Weights that were zero learn like all others.
  predict: (shape) => ({ ...shape, zeros: 0 }),
  training: ({ method: _, teacher, ...keys }, { original }) => ({
    ...keys,
    objective: 'distil',
    teacher: teacher ?? original,
  }),
}
