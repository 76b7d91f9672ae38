/** Values of a template as Jinja writes them: `str` and `repr` of Python, where the library has JSON. */
import type { Node, TextValue, Value } from './jinja_values'

/** Statements that write nothing, whatever they give. */
const SILENT = new Set(['Set', 'Macro', 'Comment'])

/** What a statement writes. */
export const printed = (value: Value | undefined, statement: Node): string =>
  SILENT.has(statement.type) ? '' : pythonText(value)

/** `str(value)`; nothing of what is not defined. */
export function pythonText(value: Value | undefined): string {
  if (value === undefined || value.type === 'UndefinedValue') return ''
  return value.type === 'StringValue' ? (value as TextValue).value : pythonRepr(value)
}

/** `repr(value)` */
function pythonRepr(value: Value): string {
  const items = () => (value.value as Value[]).map(pythonRepr)
  switch (value.type) {
    case 'NullValue':
      return 'None'
    case 'UndefinedValue':
      return 'Undefined'
    case 'BooleanValue':
      return value.value ? 'True' : 'False'
    case 'IntegerValue':
      return Number.isFinite(value.value)
        ? String(BigInt(value.value as number))
        : floatText(value.value as number)
    case 'FloatValue':
      return floatText(value.value as number)
    case 'StringValue':
      return quoted((value as TextValue).value)
    case 'ArrayValue':
      return `[${items().join(', ')}]`
    case 'TupleValue':
      return items().length === 1 ? `(${items()},)` : `(${items().join(', ')})`
    case 'ObjectValue': {
      const entries = [...(value.value as Map<string, Value>)]
      return `{${entries.map(([key, one]) => `${quoted(key)}: ${pythonRepr(one)}`).join(', ')}}`
    }
    default:
      return value.toString()
  }
}

/** `repr(float)`: the same digits as in JavaScript, an exponent from other sizes on. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e16))
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  const text = Object.is(value, -0) ? '-0' : String(value)
  return Number.isInteger(value) ? `${text}.0` : text
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }
/** What Python takes for printable is all but these, the space excepted. */
const UNPRINTABLE = /[\\\p{C}\p{Z}]/gu

/** `repr(str)` */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'"
  const safe = text.replace(UNPRINTABLE, (character) => (character === ' ' ? ' ' : escaped(character)))
  return quote + (quote === "'" ? safe.replaceAll("'", "\\'") : safe) + quote
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!
  const hex = (letter: string, digits: number) => `\\${letter}${code.toString(16).padStart(digits, '0')}`
  return ESCAPES[character] ?? (code < 0x100 ? hex('x', 2) : code < 0x10000 ? hex('u', 4) : hex('U', 8))
}
