import type { Environment } from '@huggingface/jinja'
import { limitFault, TemplateFault } from './jinja_errors'
import { printed, pythonText } from './jinja_printing'
import {
  type Arguments,
  BaseInterpreter,
  BooleanValue,
  type Call,
  IntegerValue,
  isEqual,
  itemsOf,
  ListValue,
  lengthOf,
  lookUp,
  type Node,
  occurrences,
  STRIP_ENDS,
  StringValue,
  strip,
  type TextValue,
  textList,
  type Value,
} from './jinja_values'
import { capitalize, length, SPACES, title, titleWords } from './python_text'

// A chat template is a program that came with a model, so it runs on a budget. The interpreter of the library has
// none; this one counts work, bounds every value, and looks at the few operations that can multiply text before they
// run. Templates reach plain data and the functions that we hand them, no object of the host.

export interface TemplateLimits {
  /** Units of work: about one expression each; a loop's turn costs more. Default: see `workFor`. */
  maxWork?: number
  /** Characters of any value a template makes, its output among them. */
  maxCharacters?: number
  /** Nesting of expressions, blocks and macros. */
  maxDepth?: number
  /** Last resort; the budgets above end a template long before. */
  maxMilliseconds?: number
}

export const DEFAULT_LIMITS = { maxCharacters: 1024 * 1024, maxDepth: 400, maxMilliseconds: 2000 } as const

/** What work costs, in units of one simple expression (0.3 microseconds on a 2020s core), measured. */
const LOOP_TURN = 12
const CHARACTERS_A_UNIT = 64
export const ITEMS_A_UNIT = 8
/** Lists and tables, the messages among them, may hold this much more than a text: a template writes a part of them. */
const DATA_FACTOR = 4

/**
 * The budget that a conversation may use: real templates take up to 300 units a message and look at each text up to
 * 20 times.
 */
export function workFor(messages: number, characters: number): number {
  return 100_000 + 1_000 * messages + characters / 2
}

/** White space and letters as Python knows them, not as JavaScript does. */
const TEXT_METHODS: Readonly<Record<string, (text: string) => string>> = { capitalize, title }
const TEXT_FILTERS: Readonly<Record<string, (text: string) => string>> = {
  capitalize,
  title: titleWords,
  trim: (text) => strip(text, SPACES, STRIP_ENDS.strip!),
}

/** Runs one template once. Throws TemplateFault when a limit is passed. */
export class LimitedInterpreter extends BaseInterpreter {
  private work = 0
  private depth = 0
  private steps = 0
  private readonly deadline: number
  /** Size of lists and tables as text; they never change once made. */
  private readonly sizes = new WeakMap<Value, number>()
  private readonly iterables = new WeakSet<Node>()
  private readonly loopBodies = new WeakSet<Node[]>()
  /** A `break` or `continue` on its way to its loop, and what the loop's turn has written until then. */
  private exit: { error: unknown; type: string; text: string } | undefined
  private last: Value | undefined
  /** The filter whose arguments are evaluated next, and what it is applied to. */
  private subject: { filter: string; operand: Value } | undefined

  constructor(
    environment: Environment,
    private readonly limits: Required<TemplateLimits>,
  ) {
    super(environment)
    this.deadline = performance.now() + limits.maxMilliseconds
  }

  /** Takes units of work from the budget. */
  charge(units: number): void {
    this.work += units
    if (this.work > this.limits.maxWork) throw limitFault('more work', `${this.limits.maxWork} units`)
    if ((++this.steps & 1023) === 0 && performance.now() > this.deadline) {
      throw limitFault('more time', `${this.limits.maxMilliseconds} ms`)
    }
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    this.charge(1)
    if (++this.depth > this.limits.maxDepth)
      throw limitFault('deeper nesting', `${this.limits.maxDepth} levels`)
    try {
      const value = this.evaluateNode(node, environment)
      this.last = value
      return node && this.iterables.has(node) ? this.loopList(value) : value
    } finally {
      // `break` and `continue` leave through here as exceptions.
      this.depth--
    }
  }

  /** The library drops what a loop's turn wrote before `break` or `continue`; here it is kept, as Jinja does. */
  override evaluateBlock(statements: Node[], environment: Environment): Value {
    let text = ''
    try {
      for (const statement of statements) text += printed(this.evaluate(statement, environment), statement)
      return new StringValue(text)
    } catch (error) {
      const exit = this.exit
      if (!exit || exit.error !== error) throw error
      exit.text = text + exit.text
      if (exit.type === 'Continue' && this.loopBodies.has(statements)) {
        this.exit = undefined
        return new StringValue(exit.text)
      }
      throw error
    }
  }

  private evaluateNode(node: Node | undefined, environment: Environment): Value {
    switch (node?.type) {
      case 'For':
        return this.evaluateLoop(node, environment)
      case 'Break':
      case 'Continue':
        try {
          return super.evaluate(node, environment)
        } catch (error) {
          this.exit = { error, type: node.type, text: '' }
          throw error
        }
      case 'Identifier':
        return this.weighed(lookUp(environment, String(node.value)))
      case 'MemberExpression': {
        const value = super.evaluate(node, environment)
        return value.type === 'FunctionValue' ? this.guardMethod(node, value) : this.weighed(value)
      }
      case 'BinaryExpression':
        return this.weighed(this.evaluateOperator(node, environment))
      default:
        return this.weighed(super.evaluate(node, environment))
    }
  }

  /** Those that the library has as JavaScript does. */
  private evaluateOperator(node: Node, environment: Environment): Value {
    const operator = node.operator!.value
    if (!['~', '==', '!='].includes(operator)) return super.evaluate(node, environment)
    const [left, right] = [node.left, node.right].map((side) => this.evaluate(side, environment)) as [
      Value,
      Value,
    ]
    if (operator === '~') return new StringValue(pythonText(left) + pythonText(right))
    this.charge(itemsOf(left) ? this.sizeOf(left) / ITEMS_A_UNIT : 0)
    return new BooleanValue(isEqual(left, right) === (operator === '=='))
  }

  private evaluateLoop(node: Node, environment: Environment): Value {
    this.iterables.add(node.iterable?.lhs ?? node.iterable!)
    this.loopBodies.add(node.body!)
    const value = super.evaluate(node, environment) as TextValue
    // Still under way after the loop: a `break`, which the loop has caught.
    const exit = this.exit
    this.exit = undefined
    return this.weighed(exit ? new StringValue(value.value + exit.text) : value)
  }

  /** What a loop goes over. As in Jinja, nothing is an empty list and a text is its characters; turns are paid for. */
  private loopList(value: Value): Value {
    if (value?.type === 'UndefinedValue') return new ListValue([])
    const list = value?.type === 'StringValue' ? textList((value as TextValue).value) : value
    this.charge(itemsOf(list) * LOOP_TURN)
    return list
  }

  override applyFilter(operand: Value, filter: Node, environment: Environment): Value {
    this.subject = filter.callee ? { filter: String(filter.callee.value), operand } : undefined
    const name = String((filter.callee ?? filter).value)
    if (name === 'join' && Array.isArray(operand.value)) {
      const texts = operand.value.map((one: Value) => new StringValue(pythonText(one)))
      return super.applyFilter(new ListValue(texts), filter, environment)
    }
    if (name === 'string') return new StringValue(pythonText(operand))
    if (operand.type === 'StringValue' && !filter.callee) {
      const text = (operand as TextValue).value
      if (name === 'length') return new IntegerValue(length(text))
      if (Object.hasOwn(TEXT_FILTERS, name)) return new StringValue(TEXT_FILTERS[name]!(text))
    }
    return super.applyFilter(operand, filter, environment)
  }

  override evaluateArguments(args: Node[], environment: Environment): Arguments {
    const subject = this.subject
    this.subject = undefined
    const result = super.evaluateArguments(args, environment)
    if (subject) this.checkFilter(subject.filter, subject.operand, result)
    return result
  }

  /** Pays for a value by its size, and refuses one that would be too long as text. */
  private weighed(value: Value): Value {
    // Filters such as `first` give nothing at all for an empty list.
    if (value === undefined) return value
    const { type } = value
    const characters = this.sizeOf(value)
    this.checkLength(characters / (type === 'StringValue' ? 1 : DATA_FACTOR))
    if (type === 'StringValue') this.charge(characters / CHARACTERS_A_UNIT)
    this.charge(itemsOf(value) / ITEMS_A_UNIT)
    return value
  }

  /** Length that a value has as text, nearly: shared parts count as often as they would be written. */
  private sizeOf(value: Value): number {
    if (value.type === 'StringValue') return (value as TextValue).value.length
    if (value.value instanceof Map || Array.isArray(value.value)) {
      const known = this.sizes.get(value)
      if (known !== undefined) return known
      let size = 0
      for (const [key, part] of value.value.entries() as Iterable<[unknown, Value | undefined]>) {
        // A namespace can change after it was counted.
        if (part?.type === 'NamespaceValue')
          throw new TemplateFault('a namespace cannot be kept in a list or table')
        size += 4 + (typeof key === 'string' ? key.length : 0) + (part ? this.sizeOf(part) : 0)
      }
      if (value.type !== 'NamespaceValue') this.sizes.set(value, size)
      return size
    }
    return value.type === 'FunctionValue' ? 0 : 8
  }

  /** A method of a text, e.g. `content.replace`: those that can multiply text are checked, `strip` learns its argument. */
  private guardMethod(node: Node, method: Value): Value {
    const owner = this.last
    const name = String(node.property?.value)
    if (node.computed) throw new TemplateFault('a method must be called by its name')
    if (owner?.type !== 'StringValue' || owner.builtins.get(name) !== method) return method
    const text = (owner as TextValue).value
    const call = method.value as Call
    const FunctionValue = method.constructor as new (call: Call) => Value
    return new FunctionValue((args, scope) => {
      if (name === 'replace') this.checkReplace(text, args[0], args[1])
      if (name === 'split') this.charge(text.length / ITEMS_A_UNIT)
      const characters = args[0]?.type === 'StringValue' ? (args[0] as TextValue).value : SPACES
      if (Object.hasOwn(TEXT_METHODS, name)) return new StringValue(TEXT_METHODS[name]!(text))
      if (Object.hasOwn(STRIP_ENDS, name)) return new StringValue(strip(text, characters, STRIP_ENDS[name]!))
      return call(args, scope)
    })
  }

  private checkFilter(filter: string, operand: Value, [positional, named]: Arguments): void {
    const argument = (index: number, name: string) => (positional[index] ?? named.get(name))?.value
    if (filter === 'replace' && operand.type === 'StringValue') {
      this.checkReplace((operand as TextValue).value, positional[0], positional[1])
    }
    if (filter === 'join') {
      if (named.has('attribute'))
        throw new TemplateFault('join takes no attribute: map(attribute=...) before it')
      this.checkLength(
        (operand.type === 'StringValue' ? this.sizeOf(operand) : itemsOf(operand)) *
          lengthOf(argument(0, 'separator')),
      )
    }
    if (filter === 'indent') this.checkLength(this.sizeOf(operand) * lengthOf(argument(0, 'width')))
    if (filter === 'tojson' && lengthOf(named.get('indent')?.value) > 16)
      throw new TemplateFault('tojson indents by 16 at most')
  }

  private checkReplace(text: string, from: Value | undefined, to: Value | undefined): void {
    if (from?.type !== 'StringValue' || to?.type !== 'StringValue') return
    this.charge(text.length / CHARACTERS_A_UNIT)
    const [pattern, insertion] = [(from as TextValue).value, (to as TextValue).value]
    const growth = insertion.length - pattern.length
    if (growth > 0) this.checkLength(text.length + occurrences(text, pattern) * growth)
  }

  private checkLength(characters: number): void {
    if (characters > this.limits.maxCharacters) {
      throw limitFault('longer text', `${this.limits.maxCharacters} characters`)
    }
  }
}
