/** What a model reads before it writes: a text or a conversation as token ids. */
import { TongueforgeError } from '../errors'
import type { Message } from '../text/chat_template'
import { int32Row } from './id_rows'
import type { Model } from './model'

/** Ids of a text that is gone on with; ids are taken as they are. Throws ERR_TOKENIZER, ERR_DATA. */
export async function promptIds(model: Model, prompt: string | ArrayLike<number>): Promise<Int32Array> {
  return typeof prompt === 'string' ? (await model.text()).tokenizer.encodePrompt(prompt) : int32Row(prompt)
}

/** Ids of a conversation in the model's own chat template. Throws ERR_TEMPLATE, ERR_TOKENIZER, ERR_DATA. */
export async function chatIds(model: Model, messages: readonly Message[]): Promise<Int32Array> {
  const { tokenizer, template } = await model.text()
  if (template === undefined) throw noTemplate(model.files.path)
  // As in transformers: the template writes BOS, or there is none.
  return tokenizer.encode(template.render(messages, { addGenerationPrompt: true }), {
    addSpecialTokens: false,
  })
}

function noTemplate(folder: string): TongueforgeError {
  return new TongueforgeError('ERR_TEMPLATE', `${folder}: expected a chat template, found none`, {
    hint: 'Use generate instead of chat, or put the chat_template.jinja of the original model into the folder.',
    details: { path: folder },
  })
}
