/** Documents packed into rows, whole or cut anywhere, as the objective says. */
import type { TrainConfig } from '../../config/train'
import { ConversationPacking, countFitting } from '../../text/conversation_packing'
import { numberedFrom, type Part, weighted } from '../../text/mixing'
import { type ObjectiveName, objectives } from '../../text/objectives'
import { type RowSource, StreamPacking } from '../../text/packing'
import type { Tokens } from '../../text/tokens'

/** What of a config decides how data are read and packed. */
export interface DataConfig
  extends Pick<TrainConfig, 'sequence_length' | 'seed' | 'data_cache' | 'inscp' | 'dpo' | 'masked'> {
  /** How documents are read. */
  objective: ObjectiveName
}

interface PackOptions {
  shuffle: boolean
}

const isWhole = ({ objective }: DataConfig) => objectives[objective].packing !== 'stream'

/** How many neighbouring documents are never parted. */
export const together = ({ objective }: DataConfig) => (objectives[objective].packing === 'pairs' ? 2 : 1)

/** Of documents that stay whole: how many a row cannot hold, or not with something to learn. */
export const fitting = async (tokens: Tokens, config: DataConfig) =>
  isWhole(config)
    ? countFitting(tokens, config.sequence_length, together(config))
    : { truncated: 0, dropped: 0 }

export function packed(
  tokens: Tokens,
  config: DataConfig,
  { shuffle }: PackOptions,
): RowSource | Promise<RowSource> {
  const options = { rowLength: config.sequence_length, seed: shuffle ? config.seed : undefined }
  return isWhole(config)
    ? ConversationPacking.of(tokens, { ...options, together: together(config) })
    : new StreamPacking(tokens, options)
}

/** Rows of each part: none has documents of two. */
export async function packedApart(
  parts: readonly Part[],
  config: DataConfig,
  options: PackOptions,
): Promise<RowSource[]> {
  let first = 0
  const rows: RowSource[] = []
  for (const part of parts) {
    const tokens = await weighted([part], config.seed, together(config))
    rows.push(numberedFrom(first, await packed(tokens, config, options)))
    first += tokens.count
  }
  return rows
}
