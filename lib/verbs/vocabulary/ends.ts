/** The ids that end a generation, once a model has a new template or a new end. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { VocabExtendConfig } from '../../config/vocab_extend'
import { TongueforgeError } from '../../errors'
import { ChatTemplate } from '../../text/chat_template'
import { endOfTurnToken } from '../../text/conversation'
import type { Tokenizer } from '../../text/tokenizer'

/**
 * Those of the model, the new eos_token, and the token that closes a turn of the new template; none where neither was
 * given. `tokenizer` knows the special tokens. Throws ERR_VOCABULARY, ERR_TEMPLATE.
 */
export function stopIdsOf(
  model: ModelFolder,
  tokenizer: Tokenizer,
  { eos_token, chat_template }: VocabExtendConfig,
  chatTemplate: string | undefined,
): number[] {
  const ids: number[] = []
  if (eos_token !== undefined) {
    const id = tokenizer.tokenToId(eos_token)
    if (id === undefined) throw noSuchToken(eos_token)
    ids.push(id)
  }
  if (chatTemplate !== undefined) {
    const tokens = { ...model.tokenizer.specialTokens, ...(eos_token !== undefined && { eos_token }) }
    const template = new ChatTemplate(chatTemplate, { tokens, name: chat_template! })
    const end = endOfTurnToken(template, tokenizer)
    if (end) ids.push(end.id)
  }
  if (eos_token === undefined && chatTemplate === undefined) return []
  return [...new Set([...model.generation.eosTokenIds, ...ids])].sort((a, b) => a - b)
}

function noSuchToken(token: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `eos_token: expected a token of the model or among special_tokens, received ${JSON.stringify(token)}`,
    { hint: `Add it: --special '${token}'`, details: { token } },
  )
}
