/** What one model reads before it answers: a conversation in its chat template, or as plain text. */
import type { EvaluateConfig } from '../../config/evaluate'
import { TongueforgeError } from '../../errors'
import type { Conversation } from '../../tasks/generation'
import { conversationText } from '../../tasks/prompt'
import type { GenerationTask } from '../../tasks/task'
import type { ChatTemplate, Message } from '../../text/chat_template'
import { requireTemplate } from '../../text/inscp_frame'
import { loadModelText, type ModelText } from '../../text/model_text'
import type { StreamDecoder } from '../../text/stream_decoder'
import type { PlannedModel } from './plan'

/** A prompt to the letter, and as ids; `cut` of them were taken off its beginning. */
export interface Prompt {
  text: string
  ids: Int32Array
  cut: number
  /** So many tokens may follow it. */
  max_new_tokens: number
}

export class ConversationPrompts {
  private constructor(
    private readonly text: ModelText,
    private readonly template: ChatTemplate | undefined,
    private readonly config: EvaluateConfig,
    private readonly maxLength: number,
  ) {}

  /** Throws ERR_TOKENIZER, and ERR_TEMPLATE where a template is called for and there is none. */
  static async open(
    { folder, maxLength }: Pick<PlannedModel, 'folder' | 'maxLength'>,
    config: EvaluateConfig,
  ): Promise<ConversationPrompts> {
    const text = await loadModelText(folder)
    return new ConversationPrompts(text, templateOf(text, config), config, maxLength)
  }

  /** The prompt of the turn behind these answers. Throws ERR_TEMPLATE. */
  written(task: GenerationTask, conversation: Conversation, answers: readonly string[]): string {
    const { system_instruction, fewshot_as_multiturn } = this.config
    const { messages, examples = [], later = [] } = conversation
    const systems = messages.filter(isSystem).map(({ content }) => content)
    const description = conversation.description ?? task.description ?? systems.join('\n\n')
    const layout = { ...task, description }
    const more = answers.flatMap((content, i) => [
      { role: 'assistant', content },
      { role: 'user', content: later[i]! },
    ])
    const asked = messages.filter((message) => !isSystem(message))
    const options = { system_instruction, fewshot_as_multiturn, template: this.template }
    return conversationText(layout, examples, asked, more, options)
  }

  /** Prompts as ids, so short that an answer has room. Throws ERR_DATA for one without a token. */
  async encoded(
    prompts: readonly { text: string; max_new_tokens: number }[],
    nameOf: (i: number) => string,
  ): Promise<Prompt[]> {
    const texts = prompts.map(({ text }) => text)
    const { tokenizer } = this.text
    // As in transformers: the template writes BOS, or there is none.
    const plain = this.template !== undefined || this.config.add_bos_token === false
    const rows = plain
      ? await tokenizer.encodeBatch(texts, { addSpecialTokens: false })
      : await tokenizer.encodePrompts(texts)
    return prompts.map(({ text, max_new_tokens }, i) => {
      if (rows[i]!.length === 0) throw noTokens(nameOf(i))
      return { text, ...withRoom(rows[i]!, max_new_tokens, this.maxLength) }
    })
  }

  /** Turns what follows a prompt into text: a continuation keeps the blank before its first word, an answer does not. */
  decoder(prompt: Prompt): StreamDecoder {
    return this.text.tokenizer.stream({ context: this.template === undefined ? prompt.ids : [] })
  }
}

function templateOf(text: ModelText, { generation }: EvaluateConfig): ChatTemplate | undefined {
  if (generation.chat_template === 'plain') return undefined
  return generation.chat_template === 'force' ? requireTemplate(text) : text.template
}

const isSystem = ({ role }: Message) => role === 'system'

/**
 * A prompt and its answer fit into the positions of the model: the answer has what the prompt leaves, but never less than
 * half of them, where so much is asked for; the prompt loses what is too much at its beginning.
 */
export function withRoom(
  ids: Int32Array,
  asked: number,
  maxLength: number,
): Pick<Prompt, 'ids' | 'cut' | 'max_new_tokens'> {
  const max_new_tokens = Math.min(asked, Math.max(maxLength - ids.length, Math.floor(maxLength / 2)))
  const cut = Math.max(0, ids.length + max_new_tokens - maxLength)
  return { ids: ids.subarray(cut), cut, max_new_tokens }
}

const noTokens = (document: string) =>
  new TongueforgeError('ERR_DATA', `${document}: expected a prompt of at least one token, received none`, {
    hint: 'Leave the document out, or write more.',
    details: { document },
  })
