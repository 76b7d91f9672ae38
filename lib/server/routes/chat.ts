/** POST /v1/chat/completions */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { checkConfig } from '../../config/parse'
import { type ChatRequest, chatSchema } from '../../config/requests/chat'
import type { Message } from '../../text/chat_template'
import type { Tokenizer } from '../../text/tokenizer'
import type { Generation } from '../../verbs/generate'
import { chatIds } from '../../verbs/prompts'
import { type AnswerShape, type Asked, answer } from '../answer'
import type { ChoiceEvent } from '../choices'
import { type Context, signalOf } from '../context'
import { RequestError } from '../errors'
import { chatLogprobs } from '../logprobs'
import { longest, samplingOf } from '../sampling'
import { heading, type StreamShape } from '../stream'
import { textOf } from '../texts'
import { usageOf } from '../usage'

export function chatRoute(app: FastifyInstance, context: Context): void {
  app.post('/v1/chat/completions', async (request, reply) => {
    const asked = checkConfig(chatSchema, request.body, 'request')
    checkTogether(asked)
    const { id: name, model } = context.models.decoder(asked.model)
    const signal = signalOf(reply, context)
    const { tokenizer, template } = await textOf(name, model, 'it reads and writes no text')
    if (!template) throw withoutTemplate(name)
    const { seed, ...sampling } = samplingOf(asked)
    const maxNewTokens = longest(asked.max_completion_tokens ?? asked.max_tokens, context.settings.maxTokens)
    const logprobs = asked.logprobs ? (asked.top_logprobs ?? 0) : undefined
    const options = { ...sampling, maxNewTokens, logprobs }
    const messages = asked.messages.map(messageOf)
    const n = asked.n ?? 1
    const prompts = [() => chatIds(model, messages)]
    const start: Asked['start'] = (ids, i, signal) =>
      model.generate(ids, { ...options, seed: seed + i, signal, standalone: true })
    const shape = new ChatAnswer(name, tokenizer, n)
    const whole = { ...asked, name, model, prompts, n, start, signal, field: 'messages' }
    return answer(reply, context, whole, shape)
  })
}

function checkTogether({ logprobs, top_logprobs }: ChatRequest): void {
  if (top_logprobs == null || logprobs) return
  throw new RequestError('top_logprobs: expected logprobs: true beside it, received none', {
    status: 400,
    code: 'invalid_value',
    param: 'top_logprobs',
  })
}

const withoutTemplate = (model: string) =>
  new RequestError(`model: '${model}' has no chat template: ask /v1/completions`, {
    status: 400,
    code: 'unsupported_model',
    param: 'model',
  })

function messageOf({ role, content, name }: ChatRequest['messages'][number]): Message {
  const text = typeof content === 'string' ? content : content.map((part) => part.text).join('')
  return { role: role === 'developer' ? 'system' : role, content: text, ...(name == null ? {} : { name }) }
}

/** What a client gets: all at once, or in chunks. */
class ChatAnswer implements AnswerShape {
  private readonly head: ReturnType<typeof heading>

  constructor(
    model: string,
    private readonly tokenizer: Tokenizer,
    private readonly n: number,
  ) {
    this.head = heading(`chatcmpl-${randomUUID()}`, model)
  }

  whole(generations: readonly Generation[]): object {
    const choices = generations.map(({ text, finish_reason, logprobs }, index) => ({
      index,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: chatLogprobs(logprobs, this.tokenizer),
      finish_reason,
    }))
    return { object: 'chat.completion', ...this.head, choices, usage: usageOf(generations, this.n) }
  }

  stream(withUsage: boolean): StreamShape {
    const chunk = (choices: object[], usage: object | null = null) => ({
      object: 'chat.completion.chunk',
      ...this.head,
      choices,
      ...(withUsage && { usage }),
    })
    const begun = (index: number) => ({
      ...{ index, delta: { role: 'assistant', content: '', refusal: null } },
      ...{ logprobs: null, finish_reason: null },
    })
    return {
      opening: Array.from({ length: this.n }, (_, index) => chunk([begun(index)])),
      told: (event) => this.#choices(event).map((choice) => chunk([choice])),
      closing: (generations) => (withUsage ? [chunk([], usageOf(generations, this.n))] : []),
    }
  }

  #choices(event: ChoiceEvent): object[] {
    const { index } = event
    if ('finish_reason' in event)
      return [{ index, delta: {}, logprobs: null, finish_reason: event.finish_reason }]
    const { text: content, logprobs } = event.piece
    if (content === '' && !logprobs) return []
    return [
      { index, delta: { content }, logprobs: chatLogprobs(logprobs, this.tokenizer), finish_reason: null },
    ]
  }
}
