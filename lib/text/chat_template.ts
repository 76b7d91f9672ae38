import { Environment, parse, tokenize } from '@huggingface/jinja'
import { TongueforgeError } from '../errors'
import {
  DEFAULT_LIMITS,
  defineGlobals,
  LimitedInterpreter,
  type TemplateLimits,
  templateError,
  workFor,
} from './jinja_limits'

/** One turn of a conversation. Templates may know more roles and keys; they see the object as it is. */
export interface Message {
  role: string
  content: string
  [key: string]: unknown
}

export interface ChatTemplateOptions {
  /** Special tokens as text: what the template means by bos_token, eos_token... */
  tokens?: { bos_token?: string; eos_token?: string; pad_token?: string; unk_token?: string }
  /** What errors call the template. */
  name?: string
  limits?: TemplateLimits
  /** The clock of `strftime_now`. */
  now?: () => Date
}

export interface RenderOptions {
  /** End with the opening of an assistant's turn (default false). */
  addGenerationPrompt?: boolean
  /** Further variables of the template: tools, enable_thinking... Plain data only. */
  variables?: Record<string, unknown>
}

/** Whitespace this long makes the library's lexer slow; no template has it. */
const WHITESPACE_RUN = /\s{500}/
const MAX_SOURCE = 256 * 1024

/**
 * A model's chat template: Jinja with the settings of transformers (trim_blocks, lstrip_blocks, tojson, range,
 * raise_exception, strftime_now), run within limits. Everything that goes wrong in it is ERR_TEMPLATE.
 */
export class ChatTemplate {
  private readonly program: ReturnType<typeof parse>
  private readonly name: string

  constructor(
    source: string,
    private readonly options: ChatTemplateOptions = {},
  ) {
    this.name = options.name ?? 'chat template'
    if (source.length > MAX_SOURCE || WHITESPACE_RUN.test(source)) {
      throw templateError(`expected at most ${MAX_SOURCE} characters, never 500 blanks in a row`)
    }
    this.program = this.coded(() => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })))
  }

  /** The conversation as the model has to see it. */
  render(
    messages: readonly Message[],
    { addGenerationPrompt = false, variables = {} }: RenderOptions = {},
  ): string {
    return this.coded(() => {
      const environment = new Environment()
      const characters = JSON.stringify([messages, variables]).length
      const interpreter = new LimitedInterpreter(environment, {
        ...DEFAULT_LIMITS,
        maxWork: workFor(messages.length, characters),
        ...this.options.limits,
      })
      defineGlobals(environment, (units) => interpreter.charge(units), this.options.now ?? (() => new Date()))
      const data = {
        tools: null,
        documents: null,
        ...this.options.tokens,
        ...variables,
        messages,
        add_generation_prompt: addGenerationPrompt,
      }
      for (const [name, value] of Object.entries(data)) environment.set(name, value)
      return String(interpreter.run(this.program).value)
    })
  }

  /** Runs `action`; whatever it throws becomes ERR_TEMPLATE. */
  private coded<T>(action: () => T): T {
    try {
      return action()
    } catch (cause) {
      if (cause instanceof TongueforgeError) throw cause
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new TongueforgeError('ERR_TEMPLATE', `${this.name}: ${reason}`, {
        hint: 'Check chat_template.jinja, or chat_template in tokenizer_config.json.',
        details: { reason },
        cause,
      })
    }
  }
}
