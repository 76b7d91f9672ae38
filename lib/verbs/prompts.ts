/** What a model reads before it writes: a text or a conversation as token ids. */
import { listOption, refused, textOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import type { Message } from '../text/chat_template'
import { int32Row } from '../text/token_ids'
import type { Model } from './model'

/** Ids of a text that is gone on with; ids are taken as they are. Throws ERR_TOKENIZER, ERR_DATA. */
export async function promptIds(model: Model, prompt: string | ArrayLike<number>): Promise<Int32Array> {
  if (typeof prompt === 'string') return (await model.text()).tokenizer.encodePrompt(prompt)
  return int32Row('generate: prompt', prompt, 'a text, or a list of token ids')
}

/** Ids of a conversation in the model's own chat template. Throws ERR_TEMPLATE, ERR_TOKENIZER, ERR_DATA. */
export async function chatIds(model: Model, messages: readonly Message[]): Promise<Int32Array> {
  checkMessages(messages)
  const { tokenizer, template } = await model.text()
  if (template === undefined) throw noTemplate(model.files.path)
  // As in transformers: the template writes BOS, or there is none.
  return tokenizer.encode(template.render(messages, { addGenerationPrompt: true }), {
    addSpecialTokens: false,
  })
}

/** Templates write what is no text as JSON, or leave it out. */
function checkMessages(messages: readonly Message[]): void {
  const option = 'chat: messages'
  if (listOption(option, messages, MESSAGES).length === 0) throw refused(option, `a list of ${MESSAGES}`, [])
  for (const [i, message] of messages.entries())
    for (const key of ['role', 'content']) textOption(`${option}[${i}].${key}`, Object(message)[key])
}

const MESSAGES = '{ role, content }, one or more'

function noTemplate(folder: string): TongueforgeError {
  return new TongueforgeError('ERR_TEMPLATE', `${folder}: expected a chat template, found none`, {
    hint: 'Use generate instead of chat, or put the chat_template.jinja of the original model into the folder.',
    details: { path: folder },
  })
}
