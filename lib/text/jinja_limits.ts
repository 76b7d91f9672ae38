import { type Environment, Interpreter, type parse } from '@huggingface/jinja'
import { TongueforgeError } from '../errors'

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

/** Longest list that a template can count up with `range`. */
const MAX_RANGE = 10_000
/** What work costs, in units of one simple expression (0.3 microseconds on a 2020s core), measured. */
const LOOP_TURN = 12
const UNKNOWN_NAME = 20
const CHARACTERS_A_UNIT = 64
const ITEMS_A_UNIT = 8

/**
 * The budget that a conversation may use: real templates take up to 300 units a message and look at each text up to
 * 20 times.
 */
export function workFor(messages: number, characters: number): number {
  return 100_000 + 1_000 * messages + characters / 2
}

// The library exports neither its value classes nor the protected parts of Interpreter; this is our picture of those
// that we use. The version is pinned, and the tests of the bombs fail if a name changes.
type Node = {
  type: string
  computed?: boolean
  property?: { value?: unknown }
  iterable?: Node & { lhs?: Node }
}
interface Value {
  type: string
  value: unknown
  builtins: ReadonlyMap<string, Value>
}
interface StringValue extends Value {
  value: string
}
type Call = (args: Value[], scope: Environment) => Value
type Arguments = [positional: Value[], named: Map<string, Value>]
interface Base {
  run(program: ReturnType<typeof parse>): Value
  evaluate(node: Node | undefined, environment: Environment): Value
  evaluateArguments(args: Node[], environment: Environment): Arguments
  applyFilter(operand: Value, filter: Node, environment: Environment): Value
}
const BaseInterpreter = Interpreter as unknown as new (environment: Environment) => Base

/** Runs one template once. Throws ERR_TEMPLATE when a limit is passed. */
export class LimitedInterpreter extends BaseInterpreter {
  private work = 0
  private depth = 0
  private steps = 0
  private readonly deadline: number
  /** Size of lists and tables as text; they never change once made. */
  private readonly sizes = new WeakMap<Value, number>()
  private readonly iterables = new WeakSet<Node>()
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
    if (this.work > this.limits.maxWork) throw limitError('more work', `${this.limits.maxWork} units`)
    if ((++this.steps & 1023) === 0 && performance.now() > this.deadline) {
      throw limitError('more time', `${this.limits.maxMilliseconds} ms`)
    }
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    this.charge(1)
    if (++this.depth > this.limits.maxDepth)
      throw limitError('deeper nesting', `${this.limits.maxDepth} levels`)
    try {
      if (node?.type === 'For') this.iterables.add(node.iterable?.lhs ?? node.iterable!)
      let value = super.evaluate(node, environment)
      if (value !== undefined) this.weigh(value, node)
      if (node?.type === 'MemberExpression' && value?.type === 'FunctionValue')
        value = this.guardMethod(node, value)
      this.last = value
      return value
    } finally {
      // `break` and `continue` leave through here as exceptions.
      this.depth--
    }
  }

  override applyFilter(
    operand: Value,
    filter: Node & { callee?: Node & { value?: unknown } },
    environment: Environment,
  ): Value {
    this.subject = filter.callee ? { filter: String(filter.callee.value), operand } : undefined
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
  private weigh(value: Value, node: Node | undefined): void {
    const { type } = value
    if (type === 'UndefinedValue' && node?.type === 'Identifier') this.charge(UNKNOWN_NAME)
    const characters = this.sizeOf(value)
    if (characters > this.limits.maxCharacters) throw this.tooLong()
    if (type === 'StringValue') this.charge(characters / CHARACTERS_A_UNIT)
    const items = itemsOf(value)
    if (items === 0) return
    this.charge(items / ITEMS_A_UNIT)
    if (node && this.iterables.has(node)) this.charge(items * LOOP_TURN)
  }

  /** Length that a value has as text, nearly: shared parts count as often as they would be written. */
  private sizeOf(value: Value): number {
    if (value.type === 'StringValue') return (value as StringValue).value.length
    if (value.value instanceof Map || Array.isArray(value.value)) {
      const known = this.sizes.get(value)
      if (known !== undefined) return known
      let size = 0
      for (const [key, part] of value.value.entries() as Iterable<[unknown, Value | undefined]>) {
        // A namespace can change after it was counted.
        if (part?.type === 'NamespaceValue')
          throw templateError('a namespace cannot be kept in a list or table')
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
    if (node.computed) throw templateError('a method must be called by its name')
    if (owner?.type !== 'StringValue' || owner.builtins.get(name) !== method) return method
    const text = (owner as StringValue).value
    const call = method.value as Call
    const FunctionValue = method.constructor as new (call: Call) => Value
    const StringValue = owner.constructor as new (text: string) => Value
    return new FunctionValue((args, scope) => {
      if (name === 'replace') this.checkReplace(text, args[0], args[1])
      if (name === 'split') this.charge(text.length / ITEMS_A_UNIT)
      const characters = args[0]
      if (name in STRIP_ENDS && characters?.type === 'StringValue') {
        return new StringValue(strip(text, (characters as StringValue).value, STRIP_ENDS[name]!))
      }
      return call(args, scope)
    })
  }

  private checkFilter(filter: string, operand: Value, [positional, named]: Arguments): void {
    const argument = (index: number, name: string) => (positional[index] ?? named.get(name))?.value
    if (filter === 'replace' && operand.type === 'StringValue') {
      this.checkReplace((operand as StringValue).value, positional[0], positional[1])
    }
    if (filter === 'join') {
      this.checkLength(
        (operand.type === 'StringValue' ? this.sizeOf(operand) : itemsOf(operand)) *
          lengthOf(argument(0, 'separator')),
      )
    }
    if (filter === 'indent') this.checkLength(this.sizeOf(operand) * lengthOf(argument(0, 'width')))
    if (filter === 'tojson' && lengthOf(named.get('indent')?.value) > 16)
      throw templateError('tojson indents by 16 at most')
  }

  private checkReplace(text: string, from: Value | undefined, to: Value | undefined): void {
    if (from?.type !== 'StringValue' || to?.type !== 'StringValue') return
    this.charge(text.length / CHARACTERS_A_UNIT)
    const [pattern, insertion] = [(from as StringValue).value, (to as StringValue).value]
    const growth = insertion.length - pattern.length
    if (growth > 0) this.checkLength(text.length + occurrences(text, pattern) * growth)
  }

  private checkLength(characters: number): void {
    if (characters > this.limits.maxCharacters) throw this.tooLong()
  }

  private tooLong(): TongueforgeError {
    return limitError('longer text', `${this.limits.maxCharacters} characters`)
  }
}

/** The functions that templates expect beside the data, as transformers offers them. */
export function defineGlobals(
  environment: Environment,
  charge: (units: number) => void,
  now: () => Date,
): void {
  for (const [name, value] of [
    ['true', true],
    ['false', false],
    ['none', null],
  ] as const) {
    environment.set(name, value)
    environment.set(name[0]!.toUpperCase() + name.slice(1), value)
  }
  environment.set('range', (...bounds: unknown[]) => boundedRange(bounds, charge))
  environment.set('strftime_now', (format: unknown) => {
    charge(200)
    return strftime(now(), String(format))
  })
  environment.set('raise_exception', (message: unknown) => {
    throw new TongueforgeError('ERR_TEMPLATE', `the chat template refuses the conversation: ${message}`, {
      hint: 'Change the conversation as the message says; it is the template that speaks.',
      details: { raised: String(message) },
    })
  })
}

export function templateError(message: string): TongueforgeError {
  return new TongueforgeError('ERR_TEMPLATE', `chat template: ${message}`, {
    hint: 'Check chat_template.jinja, or chat_template in tokenizer_config.json.',
  })
}

function limitError(what: string, limit: string): TongueforgeError {
  return new TongueforgeError('ERR_TEMPLATE', `chat template: asks for ${what} than the limit of ${limit}`, {
    hint: 'A template of a published model stays far below. If you trust this one, shorten the conversation.',
    details: { limit },
  })
}

function boundedRange(bounds: unknown[], charge: (units: number) => void): number[] {
  if (bounds.length < 1 || bounds.length > 3 || !bounds.every(Number.isInteger)) {
    throw templateError('range takes one to three whole numbers')
  }
  const [first, second, step = 1] = bounds as [number, number?, number?]
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  if (step === 0) throw templateError('range takes a step that is not 0')
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (count > MAX_RANGE) throw limitError('a longer range', `${MAX_RANGE} numbers`)
  charge(count / ITEMS_A_UNIT)
  return Array.from({ length: count }, (_, i) => start + i * step)
}

function itemsOf({ value }: Value): number {
  return Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0
}

function lengthOf(argument: unknown): number {
  return typeof argument === 'string' ? argument.length : typeof argument === 'number' ? argument : 0
}

function occurrences(text: string, pattern: string): number {
  if (pattern === '') return text.length + 1
  let count = 0
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + pattern.length)) count++
  return count
}

const STRIP_ENDS: Record<string, { left: boolean; right: boolean }> = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
}

/** Python's str.strip with an argument: takes off any of these characters. */
function strip(text: string, characters: string, { left, right }: { left: boolean; right: boolean }): string {
  const set = new Set(characters)
  let [start, end] = [0, text.length]
  if (left) while (start < end && set.has(text[start]!)) start++
  if (right) while (end > start && set.has(text[end - 1]!)) end--
  return text.slice(start, end)
}

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

/** The codes of Python's strftime that templates use, in English. */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, '0')
  const codes: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    B: () => MONTHS[date.getMonth()]!,
    b: () => MONTHS[date.getMonth()]!.slice(0, 3),
    d: () => two(date.getDate()),
    A: () => WEEKDAYS[date.getDay()]!,
    a: () => WEEKDAYS[date.getDay()]!.slice(0, 3),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    '%': () => '%',
  }
  return format.replace(/%([A-Za-z%])/g, (whole, code: string) => codes[code]?.() ?? whole)
}
