// How results and failures look, for people and for programs.
import type { TongueforgeError } from '../errors'
import { bytes, duration } from './progress'

// A list of numbers or words, as JSON.stringify lays it out. Text in JSON holds no line breaks: no string is touched.
const FLAT_LIST = /\[\n\s+([^[\]{}]*?)\n\s*\]/g

/** One JSON document, indented, flat lists on one line: the whole of stdout under --json. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2)
  return `${text.replace(FLAT_LIST, (_, items: string) => `[${items.replace(/\n\s+/g, ' ')}]`)}\n`
}

/** A failure on stderr: the message, where it happened, what to do. */
export function failureText({ message, hint, details }: TongueforgeError): string {
  const places = ['file', 'key', 'tensor', 'offset']
    .filter((key) => details[key] !== undefined && !message.includes(String(details[key])))
    .map((key) => `  ${key}: ${details[key]}\n`)
  return `error: ${message}\n${places.join('')}${hint ? `  hint: ${hint}\n` : ''}`
}

/** Facts as lines `key  value`, nested ones indented; lists of plain values on one line; sizes and times in large units. */
export function factsText(facts: object, indent = ''): string {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined)
  const width = longest(entries.map(([key]) => key))
  return entries
    .map(([key, value]) => {
      if (isPlain(value)) return `${indent}${key.padEnd(width)}  ${measured(key, value)}\n`
      if (Array.isArray(value) && value.every(isPlain)) {
        return `${indent}${key.padEnd(width)}  ${value.map(plain).join(', ')}\n`
      }
      return `${indent}${key}\n${factsText(value as object, `${indent}  `)}`
    })
    .join('')
}

/** Rows as a table: every key that a row has, in the order of the fullest row first; numbers to the right. */
export function tableText(rows: Record<string, unknown>[]): string {
  const keys = columnsOf(rows)
  const cells = [keys, ...rows.map((row) => keys.map((key) => plain(row[key])))]
  const widths = keys.map((_, column) => longest(cells.map((row) => row[column]!)))
  const numeric = keys.map((key) => rows.every((row) => typeof (row[key] ?? 0) === 'number'))
  return cells
    .map((row) =>
      row.map((cell, i) => (numeric[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  '),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

// Texts may be as many as there are lines in a file: too many for the arguments of one call.
const longest = (texts: readonly string[]) => texts.reduce((most, { length }) => Math.max(most, length), 0)

// Rows may lack what others have: a model that could not be measured still stands in the table of those that were.
function columnsOf(rows: Record<string, unknown>[]): string[] {
  const fullest = [...rows].sort((a, b) => Object.keys(b).length - Object.keys(a).length)
  return [...new Set(fullest.flatMap((row) => Object.keys(row)))]
}

function isPlain(value: unknown): boolean {
  return value === null || typeof value !== 'object'
}

// As its key says: bytes, and seconds from a minute on.
function measured(key: string, value: unknown): string {
  if (typeof value !== 'number') return plain(value)
  if (/(^|_)bytes$/.test(key)) return bytes(value)
  return /(^|_)seconds$/.test(key) && value >= 60 ? duration(value) : plain(value)
}

function plain(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value)
  return String(Number(value.toPrecision(4)))
}
