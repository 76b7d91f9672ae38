import { Environment, parse, tokenize } from '@huggingface/jinja'
import { TongueforgeError } from '../errors'
import { TemplateFault } from './jinja_errors'
import { defineNames } from './jinja_globals'
import { DEFAULT_LIMITS, LimitedInterpreter, workFor } from './jinja_interpreter'
import { ListValue, type Node, ObjectValue, StringValue, type TextValue, type Value } from './jinja_values'

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
    const maxWork = workFor(1, JSON.stringify(doc).length)
    const interpreter = new StrictInterpreter(environment, { ...DEFAULT_LIMITS, maxWork })
    defineNames(environment, (units) => interpreter.charge(units))
    for (const [key, value] of Object.entries(doc)) {
      if (CONSTANTS.has(key)) continue
      environment.variables.delete(key) // a field is stronger than a function of its name
      environment.set(key, value)
    }
    return { environment, interpreter }
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

/** Names that mean the same whatever the record has. */
const CONSTANTS = new Set(['true', 'True', 'false', 'False', 'none', 'None'])

/** Jinja as the harness has it: what is not there is an error, unless the template asks whether it is. */
class StrictInterpreter extends LimitedInterpreter {
  /** What may be missing: it has a default, or is tested. */
  private readonly asked = new WeakSet<Node>()

  override evaluate(node: Node | undefined, environment: Environment): Value {
    if (node && asksForPresence(node)) this.asked.add(node.operand!)
    const value = super.evaluate(node, environment)
    if (value?.type === 'UndefinedValue' && node && !this.asked.has(node)) refuseMissing(node)
    return value
  }

  override applyFilter(operand: Value, filter: Node, environment: Environment): Value {
    const name = nameOf(filter)
    if (DEFAULT.has(name)) {
      if (!filter.callee) return operand.type === 'UndefinedValue' ? new StringValue('') : operand
      return super.applyFilter(
        operand,
        { ...filter, callee: { ...filter.callee, value: 'default' } },
        environment,
      )
    }
    if (name !== 'tojson') return super.applyFilter(operand, filter, environment)
    const json = super.applyFilter(sorted(operand), filter, environment) as TextValue
    return new StringValue(json.value.replace(UNSAFE, escaped))
  }
}

/** Names of the filter. */
const DEFAULT = new Set(['default', 'd'])

const nameOf = (filter: Node): string => String((filter.callee ?? filter).value)

function asksForPresence({ type, filter, test }: Node): boolean {
  if (type === 'FilterExpression') return DEFAULT.has(nameOf(filter!))
  return type === 'TestExpression' && ['defined', 'undefined'].includes(String(test?.value))
}

function refuseMissing({ type, value, property }: Node): void {
  if (type === 'Identifier') throw new TemplateFault(`the record has no field ${value}`)
  if (type === 'MemberExpression')
    throw new TemplateFault(`there is no ${property?.value ?? 'such part'} in a field of the record`)
}

/** What the filter tojson of Jinja writes as \\u....: what is not ASCII, and what means something to HTML. */
const UNSAFE = /[<>&'\x7f-\uffff]/g

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** With the keys of all tables in order, as the same filter has them. */
function sorted(value: Value): Value {
  if (value.type === 'ArrayValue') return new ListValue((value.value as Value[]).map(sorted))
  if (value.type !== 'ObjectValue') return value
  const entries = [...(value.value as Map<string, Value>)].map(([key, one]) => [key, sorted(one)] as const)
  return new ObjectValue(new Map(entries.sort(([one], [other]) => (one < other ? -1 : 1))))
}

function dataOf({ value }: Value): unknown {
  if (Array.isArray(value)) return value.map((one: Value) => dataOf(one))
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, one]) => [key, dataOf(one)]))
  return value
}
