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

export const ListValue = new Environment().set('list', []).constructor as new (items: Value[]) => Value

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

/** Statements that write nothing, whatever they give. */
const SILENT = new Set(['Set', 'Macro', 'Comment'])

/** What a statement writes: Python's names for true, false and none, which the library has otherwise. */
export function printed(value: Value | undefined, statement: Node): string {
  if (value === undefined || value.type === 'UndefinedValue' || SILENT.has(statement.type)) return ''
  if (value.type === 'NullValue') return 'None'
  if (value.type === 'BooleanValue') return value.value ? 'True' : 'False'
  return value.toString()
}

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
