import { Environment, parse, tokenize } from '@huggingface/jinja'
import { TongueforgeError } from '../errors'
import { TemplateFault } from './jinja_errors'
import { DEFAULT_LIMITS, LimitedInterpreter, workFor } from './jinja_interpreter'
import type { Node, Value } from './jinja_values'

type Doc = Readonly<Record<string, unknown>>

/**
 * A text with holes for the fields of a record, in Jinja, as task files of lm-evaluation-harness have them: what stands
 * in it stays as it is, line ends too, and a field that the record has not is an error. Runs within the limits of chat
 * templates. Everything that goes wrong is ERR_TEMPLATE with the name of the template.
 */
export class DocTemplate {
  private readonly program: ReturnType<typeof parse>

  constructor(
    source: string,
    /** What errors call it. */
    private readonly name: string,
  ) {
    // The library takes one line end off the end of a template.
    const kept = source.endsWith('\n') ? `${source}\n` : source
    this.program = this.coded(() => parse(tokenize(kept, { lstrip_blocks: false, trim_blocks: false })))
  }

  render(doc: Doc): string {
    return this.coded(() => {
      const { environment, interpreter } = this.start(doc)
      return String(interpreter.evaluate(this.program as unknown as Node, environment).value)
    })
  }

  /** What the template gives as data, where it is one `{{ expression }}`: a list, a number; else its text. */
  value(doc: Doc): unknown {
    const [only, ...more] = this.program.body as unknown as Node[]
    if (only === undefined || more.length > 0 || PLAIN.has(only.type)) return this.render(doc)
    return this.coded(() => {
      const { environment, interpreter } = this.start(doc)
      return dataOf(interpreter.evaluate(only, environment))
    })
  }

  private start(doc: Doc) {
    const environment = new Environment()
    for (const [key, value] of Object.entries(doc)) environment.set(key, value)
    environment.variables = new Fields(environment.variables)
    const maxWork = workFor(1, JSON.stringify(doc).length)
    return { environment, interpreter: new StrictInterpreter(environment, { ...DEFAULT_LIMITS, maxWork }) }
  }

  private coded<T>(action: () => T): T {
    try {
      return action()
    } catch (cause) {
      const { message } = cause as Error
      throw new TongueforgeError('ERR_TEMPLATE', `${this.name}: ${message}`, {
        hint: 'Names in {{ }} are fields of the records; compare the template with a record.',
        details: { template: this.name, reason: message },
        cause,
      })
    }
  }
}

/** Statements that are no expressions. */
const PLAIN = new Set([
  'StringLiteral',
  'If',
  'For',
  'Set',
  'Macro',
  'Comment',
  'CallStatement',
  'FilterStatement',
])

/** The names of the outermost scope: those of the record. */
class Fields extends Map<string, never> {
  override get(name: string) {
    if (!this.has(name)) throw new TemplateFault(`the record has no field ${name}`)
    return super.get(name)!
  }
}

class StrictInterpreter extends LimitedInterpreter {
  override evaluate(node: Node | undefined, environment: Environment): Value {
    const value = super.evaluate(node, environment)
    if (node?.type === 'MemberExpression' && value?.type === 'UndefinedValue')
      throw new TemplateFault(`there is no ${node.property?.value ?? 'such part'} in a field of the record`)
    return value
  }
}

function dataOf({ value }: Value): unknown {
  if (Array.isArray(value)) return value.map((one: Value) => dataOf(one))
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [key, dataOf(one)]))
  return value
}
