import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { TongueforgeError } from '../errors'
import { ChatTemplate } from './chat_template'
import { endOfTurnToken } from './conversation'
import { Tokenizer } from './tokenizer'

/** All that turns text into ids and back, as one model's folder says. */
export interface ModelText {
  tokenizer: Tokenizer
  /** undefined for a model without a chat template. */
  template: ChatTemplate | undefined
  bosTokenId: number | undefined
  eosTokenId: number | undefined
  padTokenId: number | undefined
  /** What stands for a hidden token in the text of an encoder. */
  maskTokenId: number | undefined
  /** The token that closes an assistant's turn; undefined without a template, or where it closes with plain text. */
  endOfTurnId: number | undefined
  /** Ids that end a generation, ascending: all eos ids of the folder, and the end of a turn. */
  stopIds: number[]
}

/** Mask tokens of the families, for a folder that names none. */
const MASKS = ['[MASK]', '<mask>']

/** Loads tokenizer and template of a model folder. Throws ERR_TOKENIZER, ERR_TEMPLATE and what openModelFolder throws. */
export async function loadModelText(folder: ModelFolder | string): Promise<ModelText> {
  const opened = typeof folder === 'string' ? await openModelFolder(folder) : folder
  const tokenizer = await Tokenizer.load(opened.path)
  const { specialTokens, chatTemplate } = opened.tokenizer
  const template =
    chatTemplate === undefined
      ? undefined
      : new ChatTemplate(chatTemplate, { tokens: specialTokens, name: `chat template of ${opened.path}` })
  const idOf = (token: string | undefined) => (token === undefined ? undefined : tokenizer.tokenToId(token))
  const eosTokenId = idOf(specialTokens.eos_token)
  const endOfTurnId = template && turnEnd(template, tokenizer)
  const stopIds = [...opened.generation.eosTokenIds, eosTokenId, endOfTurnId].filter((id) => id !== undefined)
  return {
    tokenizer,
    template,
    bosTokenId: idOf(specialTokens.bos_token) ?? opened.generation.bosTokenId,
    eosTokenId: eosTokenId ?? opened.generation.eosTokenIds[0],
    padTokenId: idOf(specialTokens.pad_token) ?? opened.generation.padTokenId,
    maskTokenId: idOf(
      specialTokens.mask_token ?? MASKS.find((token) => tokenizer.tokenToId(token) !== undefined),
    ),
    endOfTurnId,
    stopIds: [...new Set(stopIds)].sort((a, b) => a - b),
  }
}

/**
 * The id that ends a turn. A template that refuses our little conversation is the user's business when they chat; here
 * it just ends no turn.
 */
export function turnEnd(template: ChatTemplate, tokenizer: Tokenizer): number | undefined {
  try {
    return endOfTurnToken(template, tokenizer)?.id
  } catch (error) {
    if (error instanceof TongueforgeError && error.code === 'ERR_TEMPLATE') return undefined
    throw error
  }
}
