/** POST /v1/completions */
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { checkConfig } from '../../config/parse'
import { completionsSchema } from '../../config/requests/completions'
import type { Tokenizer } from '../../text/tokenizer'
import type { Generation } from '../../verbs/generate'
import { promptIds } from '../../verbs/prompts'
import { type AnswerShape, type Asked, answer } from '../answer'
import type { ChoiceEvent } from '../choices'
import { type Context, signalOf } from '../context'
import { textLogprobs } from '../logprobs'
import { longest, samplingOf } from '../sampling'
import { heading, type StreamShape } from '../stream'
import { listOf, textOf } from '../texts'
import { usageOf } from '../usage'

const DEFAULT_TOKENS = 16

export function completionsRoute(app: FastifyInstance, context: Context): void {
  app.post('/v1/completions', async (request, reply) => {
    const asked = checkConfig(completionsSchema, request.body, 'request')
    const { id: name, model } = context.models.decoder(asked.model)
    const signal = signalOf(reply, context)
    const { tokenizer } = await textOf(name, model, 'answers are text, also those to token ids')
    const { seed, ...sampling } = samplingOf(asked)
    const maxNewTokens = longest(asked.max_tokens ?? DEFAULT_TOKENS, context.settings.maxTokens)
    const options = { ...sampling, maxNewTokens, logprobs: asked.logprobs ?? undefined }
    const n = asked.n ?? 1
    const prompts = listOf(asked.prompt).map((prompt) => () => promptIds(model, prompt))
    const start: Asked['start'] = (ids, i, signal) =>
      model.generate(ids, { ...options, seed: seed + i, signal })
    const shape = new TextAnswer(name, tokenizer, n)
    const whole = { ...asked, name, model, prompts, n, start, signal, field: 'prompt' }
    return answer(reply, context, whole, shape)
  })
}

/** What a client gets: all at once, or in chunks. */
class TextAnswer implements AnswerShape {
  private readonly head: object

  constructor(
    model: string,
    private readonly tokenizer: Tokenizer,
    private readonly n: number,
  ) {
    this.head = { object: 'text_completion', ...heading(`cmpl-${randomUUID()}`, model) }
  }

  whole(generations: readonly Generation[]): object {
    const choices = generations.map(({ text, finish_reason, logprobs }, index) => ({
      ...{ index, text, logprobs: textLogprobs(logprobs, this.tokenizer), finish_reason },
    }))
    return { ...this.head, choices, usage: usageOf(generations, this.n) }
  }

  stream(withUsage: boolean): StreamShape {
    const chunk = (choices: object[], usage: object | null = null) => ({
      ...this.head,
      choices,
      ...(withUsage && { usage }),
    })
    return {
      opening: [],
      told: (event) => this.#choices(event).map((choice) => chunk([choice])),
      closing: (generations) => (withUsage ? [chunk([], usageOf(generations, this.n))] : []),
    }
  }

  #choices(event: ChoiceEvent): object[] {
    const { index } = event
    if ('finish_reason' in event)
      return [{ index, text: '', logprobs: null, finish_reason: event.finish_reason }]
    const { text, logprobs } = event.piece
    if (text === '' && !logprobs) return []
    return [{ index, text, logprobs: textLogprobs(logprobs, this.tokenizer), finish_reason: null }]
  }
}
