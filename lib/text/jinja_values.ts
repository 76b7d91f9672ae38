import { Environment, Interpreter, type parse } from '@huggingface/jinja'

// The library exports neither its value classes nor the protected parts of Interpreter; this is our picture of those
// that we use. The version is pinned, and the tests of the bombs fail if a name changes.
export interface Node {
  type: string
  value?: unknown
  computed?: boolean
  property?: { value?: unknown }
  iterable?: Node & { lhs?: Node }
  body?: Node[]
  operator?: { value: string }
  left?: Node
  right?: Node
  operand?: Node
  /** Of a filter that is called, its name; of a test. */
  callee?: Node
  test?: Node
  filter?: Node
}
export interface Value {
  type: string
  value: unknown
  builtins: ReadonlyMap<string, Value>
}
export interface TextValue extends Value {
  value: string
}
export type Call = (args: Value[], scope: Environment) => Value
export type Arguments = [positional: Value[], named: Map<string, Value>]
interface Base {
  run(program: ReturnType<typeof parse>): Value
  evaluate(node: Node | undefined, environment: Environment): Value
  evaluateArguments(args: Node[], environment: Environment): Arguments
  applyFilter(operand: Value, filter: Node, environment: Environment): Value
  evaluateBlock(statements: Node[], environment: Environment): Value
}
export const BaseInterpreter = Interpreter as unknown as new (environment: Environment) => Base
export const StringValue = new Environment().set('text', '').constructor as new (text: string) => TextValue

export const BooleanValue = new Environment().set('flag', true).constructor as new (flag: boolean) => Value
export const IntegerValue = new Environment().set('number', 1).constructor as new (number: number) => Value

export const ListValue = new Environment().set('list', []).constructor as new (items: Value[]) => Value

export const ObjectValue = new Environment().set('table', {}).constructor as new (
  entries: ReadonlyMap<string, Value>,
) => Value

const UndefinedValue = new Environment().set('nothing', undefined).constructor as new () => Value

/** The value of a name, from the inner scope outwards. The library's own way throws and catches for an unknown one. */
export function lookUp(environment: Environment, name: string): Value {
  for (let scope: Environment | undefined = environment; scope; scope = scope.parent) {
    const value = scope.variables.get(name)
    if (value !== undefined) return value as unknown as Value
  }
  return new UndefinedValue()
}

/** The characters of a text, as a list. */
export function textList(text: string): Value {
  return new ListValue(Array.from(text, (character) => new StringValue(character)))
}

/** `left == right` as Python has it: a text is no number, and lists and tables are compared by what is in them. */
export function isEqual(left: Value, right: Value): boolean {
  if (NUMERIC.has(left.type) && NUMERIC.has(right.type)) return Number(left.value) === Number(right.value)
  if (left.type !== right.type) return false
  const [one, other] = [left.value, right.value]
  if (Array.isArray(one) && Array.isArray(other))
    return one.length === other.length && one.every((part: Value, i) => isEqual(part, other[i]))
  if (one instanceof Map && other instanceof Map)
    return (
      one.size === other.size &&
      [...one].every(([key, part]) => other.has(key) && isEqual(part, other.get(key)))
    )
  return one === other
}

const NUMERIC = new Set(['IntegerValue', 'FloatValue', 'BooleanValue'])

/** Number of elements of a list or table; 0 for the rest. */
export function itemsOf({ value }: Value): number {
  return Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0
}

/** An argument's length as text, or the number that it is. */
export function lengthOf(argument: unknown): number {
  return typeof argument === 'string' ? argument.length : typeof argument === 'number' ? argument : 0
}

export function occurrences(text: string, pattern: string): number {
  if (pattern === '') return text.length + 1
  let count = 0
  for (let at = text.indexOf(pattern); at >= 0; at = text.indexOf(pattern, at + pattern.length)) count++
  return count
}

export const STRIP_ENDS: Record<string, { left: boolean; right: boolean }> = {
  strip: { left: true, right: true },
  lstrip: { left: true, right: false },
  rstrip: { left: false, right: true },
}

/** Python's str.strip: takes off any of these characters. */
export function strip(
  text: string,
  characters: string,
  { left, right }: { left: boolean; right: boolean },
): string {
  const set = new Set(characters)
  let [start, end] = [0, text.length]
  if (left) while (start < end && set.has(text[start]!)) start++
  if (right) while (end > start && set.has(text[end - 1]!)) end--
  return text.slice(start, end)
}
