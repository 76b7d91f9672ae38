/** What the result of a chat vector takes over from the chat model, in the ids of its own vocabulary. */
import type { JsonObject } from '../../checkpoint/json_file'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { loadModelText } from '../model_text'
import type { Alignment } from './align'

export interface Manners {
  /** Ids that end a generation, ascending. */
  stopIds: number[]
  /** The tokens of the chat model, as text, that take the place of the target's. */
  specialTokens: { bos_token?: string; eos_token?: string }
  /** generation_config.json of the chat model. */
  generation: JsonObject
  /** What has no equivalent: `eos_token_id 32000`. */
  lost: string[]
}

/** Throws ERR_TOKENIZER, ERR_TEMPLATE. */
export async function mannersOf(chat: ModelFolder, alignment: Alignment): Promise<Manners> {
  const lost: string[] = []
  const stopIds: number[] = []
  for (const id of await chatStopIds(chat)) {
    const own = alignment.resultId(id)
    if (own === undefined) lost.push(`stop token ${id}`)
    else stopIds.push(own)
  }
  return {
    stopIds: [...new Set(stopIds)].sort((a, b) => a - b),
    specialTokens: specialTokens(chat, alignment),
    generation: translated(chat.generation.config, alignment, lost),
    lost,
  }
}

/** Of a model without a tokenizer, what its configs say. */
async function chatStopIds(chat: ModelFolder): Promise<readonly number[]> {
  if (!chat.auxiliaryFiles.includes('tokenizer.json')) return chat.generation.eosTokenIds
  return (await loadModelText(chat)).stopIds
}

/**
 * The end of turn, and the beginning where the template writes it: the target's own would stand in its place.
 */
function specialTokens({ tokenizer }: ModelFolder, { has }: Alignment): Manners['specialTokens'] {
  const { bos_token, eos_token } = tokenizer.specialTokens
  const writesBos = [...tokenizer.chatTemplates.values()].some((source) => /\bbos_token\b/.test(source))
  return {
    ...(writesBos && bos_token !== undefined && has(bos_token) && { bos_token }),
    ...(eos_token !== undefined && has(eos_token) && { eos_token }),
  }
}

/** Keys whose value is an id, or lists of them. */
const IDS = /(_token_id|^(begin_)?suppress_tokens|^(bad|force)_words_ids)$/
/** Keys that pair ids with other numbers. */
const PAIRS = new Set(['sequence_bias', 'forced_decoder_ids'])

/** Settings without an equivalent are left out, and told. */
function translated(config: JsonObject, { report, resultId }: Alignment, lost: string[]): JsonObject {
  if (report.identical) return config
  const rows = Object.entries(config).flatMap(([key, value]): [string, unknown][] => {
    if (PAIRS.has(key)) return drop(key, value, lost)
    if (!IDS.test(key)) return [[key, value]]
    const own = inIds(value, resultId)
    return own === undefined ? drop(key, value, lost) : [[key, own]]
  })
  return Object.fromEntries(rows)
}

function drop(key: string, value: unknown, lost: string[]): [] {
  // The ends are told with the stop tokens.
  if (value !== null && key !== 'eos_token_id') lost.push(`${key} ${JSON.stringify(value)}`)
  return []
}

/** The same structure with other ids; undefined if one has no equivalent. */
function inIds(value: unknown, resultId: Alignment['resultId']): unknown {
  if (Array.isArray(value)) {
    const list = value.map((one) => inIds(one, resultId))
    return list.includes(undefined) ? undefined : list
  }
  return typeof value === 'number' && value >= 0 ? resultId(value) : value
}
