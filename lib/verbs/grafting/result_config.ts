/** What config.json of a graft says of its weights: they lie as the target's, or, of a residual one, as the chat model's. */
import { dtypeKeys } from '../../checkpoint/dtype_key'
import type { JsonObject } from '../../checkpoint/json_file'
import type { GraftConfig } from '../../config/graft'
import { type GraftPlan, runJob } from '../../native'
import { type GraftModels, rolesOf } from './inputs'

type Residual = Pick<GraftConfig, 'residual'>

/** Whether the target's head is its embedding and the result's is not. */
export function untiesHead(models: GraftModels, config: Residual, plan: GraftPlan): boolean {
  const { spec } = rolesOf(models, config).target
  return models.target.spec.tie_word_embeddings && !(spec.tie_word_embeddings && !plan.unties_head)
}

/** Keys in which the result's config is not the target's. */
export async function weightKeys(
  models: GraftModels,
  config: Residual,
  unties_head: boolean,
): Promise<JsonObject> {
  const head = unties_head ? { tie_word_embeddings: false } : {}
  if (!config.residual) return head
  const { folder } = rolesOf(models, config).target
  const { tensors } = await runJob('inspectWeights', { folder: folder.path, scan: false })
  return { ...head, ...dtypeKeys(models.target.folder.config, tensors) }
}
