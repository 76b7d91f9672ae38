/** Training on what the stages before have left, by the verb `train`: its optimizer starts anew, as in the paper. */
import type { RecoverStage } from '../../config/compress/recover'
import { afterTraining, keepingZeros } from './kept_zeros'
import type { TrainingStage } from './stage'

export const recover: TrainingStage<RecoverStage> = {
  predict: afterTraining,
  training: ({ method: _, ...keys }, { shape }) => ({ ...keys, ...keepingZeros(keys, shape) }),
}
