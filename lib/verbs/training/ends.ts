/** Whether a model learns from its data to end its turns, and stops there afterwards. */
import type { GenerationFiles } from '../../checkpoint/generation_files'
import { inscpFrame } from '../../text/inscp_frame'
import type { ModelText } from '../../text/model_text'
import { objectiveOf, objectives } from '../../text/objectives'
import { packedBatch } from '../../text/packing'
import type { TrainPlan } from './plan'

/** Rows in which the end of a turn is looked for; mostly it is in the first. */
const ROWS = 1000

/** Says what will keep a model from stopping: a template that ends no turn, or ends that are no targets. */
export async function warnOfEnds(
  { config, text, data: { rows } }: Pick<TrainPlan, 'config' | 'text' | 'data'>,
  warn: (message: string) => void,
): Promise<void> {
  const objective = objectiveOf(config)
  if (!text || !objectives[objective].templated) return
  if (objective === 'inscp') {
    const { appended } = inscpFrame(text, config.inscp)
    if (appended !== undefined)
      warn(
        `the chat template closes the assistant's turn without an end-of-turn token: ${appended} is put after every document, so that the model learns to stop`,
      )
  }
  const ends = new Set(text.stopIds)
  const count = Math.min(rows.rowsPerEpoch, ROWS)
  for (let row = 0; row < count; row++) {
    const { labels } = await packedBatch(rows, 1, row)
    if (labels.some((label) => ends.has(label))) return
  }
  warn(
    `no end-of-turn token is learnt in ${count} rows: the model will not learn from them to stop${why(config)}`,
  )
}

const why = (config: TrainPlan['config']) =>
  objectiveOf(config) === 'inscp' && config.inscp.loss === 'body' ? ' (inscp.loss: body)' : ''

/**
 * The keys of generation_config.json, or undefined where the folder's own will do: it has to name the token that ended
 * the turns of the data, which many published ones do not, beside those that it has.
 */
export function generationConfig(
  { eosTokenIds, bosTokenId, padTokenId, config }: GenerationFiles,
  { endOfTurnId, eosTokenId }: ModelText,
): Record<string, unknown> | undefined {
  const end = endOfTurnId ?? eosTokenId
  const named = [config.eos_token_id ?? eosTokenIds].flat()
  if (end === undefined || named.includes(end)) return undefined
  const ids = [...new Set([...eosTokenIds, end])].sort((a, b) => a - b)
  return {
    ...(bosTokenId !== undefined && { bos_token_id: bosTokenId }),
    ...(padTokenId !== undefined && { pad_token_id: padTokenId }),
    ...config,
    eos_token_id: ids.length === 1 ? ids[0] : ids,
  }
}
