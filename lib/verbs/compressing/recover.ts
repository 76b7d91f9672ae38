/** Training on what the stages before have left, by the verb `train`: its optimizer starts anew, as in the paper. */
import type { RecoverStage } from '../../config/compress/recover'
import type { TrainingStage } from './stage'

export const recover: TrainingStage<RecoverStage> = {
  // Weights that were zero learn like all others.
  predict: (shape) => ({ ...shape, zeros: 0 }),
  training: ({ method: _, ...keys }) => keys,
}
