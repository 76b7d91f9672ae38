import { Environment, parse, tokenize } from '@huggingface/jinja'
import { listOption, textOption } from '../config/call_options'
import { TongueforgeError } from '../errors'
import { TemplateFault } from './jinja_errors'
import { clockUses, defineGlobals, strftime } from './jinja_globals'
import { DEFAULT_LIMITS, LimitedInterpreter, type TemplateLimits, workFor } from './jinja_interpreter'

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
const BLANKS = /\s{200}/
const MAX_SOURCE = 128 * 1024

/**
 * A model's chat template: Jinja with the settings of transformers (trim_blocks, lstrip_blocks, tojson, range,
 * raise_exception, strftime_now), run within limits. Everything that goes wrong in it is ERR_TEMPLATE.
 */
export class ChatTemplate {
  private readonly program: ReturnType<typeof parse>
  private readonly name: string

  constructor(
    private readonly source: string,
    private readonly options: ChatTemplateOptions = {},
  ) {
    this.name = options.name ?? 'chat template'
    this.program = this.coded(() => {
      if (source.length > MAX_SOURCE || BLANKS.test(source)) {
        throw new TemplateFault(`is longer than ${MAX_SOURCE} characters, or has 200 blanks in a row`)
      }
      // Jinja reads every line end as \n.
      return parse(tokenize(source.replace(/\r\n?/g, '\n'), { lstrip_blocks: true, trim_blocks: true }))
    })
  }

  /** Equal for templates that render alike, where `times` are too. */
  get fingerprint(): string {
    return JSON.stringify([this.source, this.options.tokens ?? {}])
  }

  /** What `strftime_now` can write as of now, a text for each of its formats; none where the template asks for no time. */
  get times(): string[] {
    const now = this.now()
    return clockUses(this.source).map((format) => strftime(now, format))
  }

  /** The same template with its clock stopped: what it writes is the same from now on. */
  stopped(now: Date = this.now()): ChatTemplate {
    return new ChatTemplate(this.source, { ...this.options, now: () => now })
  }

  /** The conversation as the model has to see it. Throws ERR_USAGE for messages that are none, ERR_TEMPLATE. */
  render(
    messages: readonly Message[],
    { addGenerationPrompt = false, variables = {} }: RenderOptions = {},
  ): string {
    checkMessages(messages)
    return this.coded(() => {
      const environment = new Environment()
      const characters = JSON.stringify([messages, variables]).length
      const interpreter = new LimitedInterpreter(environment, {
        ...DEFAULT_LIMITS,
        maxWork: workFor(messages.length, characters),
        ...this.options.limits,
      })
      defineGlobals(
        environment,
        (units) => interpreter.charge(units),
        () => this.now(),
      )
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

  private now(): Date {
    return this.options.now?.() ?? new Date()
  }

  /** Runs `action`; whatever it throws becomes ERR_TEMPLATE. */
  private coded<T>(action: () => T): T {
    try {
      return action()
    } catch (cause) {
      const fault = cause instanceof TemplateFault ? cause : new TemplateFault(reasonOf(cause))
      throw new TongueforgeError('ERR_TEMPLATE', `${this.name}: ${fault.message}`, {
        hint: fault.hint,
        details: { template: this.name, reason: fault.message, ...fault.details },
        cause,
      })
    }
  }
}

function reasonOf(cause: unknown): string {
  // The parser's own recursion, and text beyond what a string can hold.
  if (cause instanceof RangeError) return `nests too deeply or grows too long (${cause.message})`
  return cause instanceof Error ? cause.message : String(cause)
}

// Whose content may be missing, as of one that calls tools.
function checkMessages(messages: readonly Message[]): void {
  for (const [i, message] of listOption('messages', messages, '{ role, content }').entries())
    textOption(`messages[${i}].role`, Object(message).role)
}
