/** Training on what a teacher says: what the stages before have left learns from the model that all began with. */
import type { DistilStage } from '../../config/compress/distil'
import { afterTraining, keepingZeros } from './kept_zeros'
import type { TrainingStage } from './stage'

export const distil: TrainingStage<DistilStage> = {
  predict: afterTraining,
  training: ({ method: _, teacher, ...keys }, { original, shape }) => ({
    ...keys,
    ...keepingZeros(keys, shape),
    objective: 'distil',
    teacher: teacher ?? original,
  }),
}
