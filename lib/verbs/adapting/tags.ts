/** Whether the base model can be taught conversations as it is: it may lack the tokens that they are written with. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openModelFolder } from '../../checkpoint/model_folder'
import { Tokenizer } from '../../text/tokenizer'

/**
 * Whether a token of the chat model is another one of the base, or none. A base without a tokenizer takes that of the chat
 * model. Throws ERR_NOT_FOUND, ERR_TOKENIZER.
 */
export async function vocabulariesDiffer(chat: string, base: string): Promise<boolean> {
  const [ofChat, ofBase] = [await openModelFolder(chat), await openModelFolder(base)]
  if (!existsSync(join(ofBase.path, 'tokenizer.json'))) return false
  const known = (await Tokenizer.load(ofBase.path)).vocabulary()
  const wanted = (await Tokenizer.load(ofChat.path)).vocabulary()
  return [...wanted].some(([token, id]) => known.get(token) !== id)
}
