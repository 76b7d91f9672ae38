/** Fields of a record, with an error that says what was expected where the record is of another layout. */
import { TongueforgeError } from '../errors'
import type { Doc } from './task'

type Kind = 'string' | 'number' | 'object'

/** ERR_DATA; whoever reads the file adds where it stands. */
export function layoutError(key: string, expected: string, received: unknown): TongueforgeError {
  const shown = received === undefined ? 'nothing' : JSON.stringify(received)?.slice(0, 80)
  return new TongueforgeError('ERR_DATA', `${key}: expected ${expected}, received ${shown}`)
}

const NAMES: Record<Kind, string> = { string: 'text', number: 'a number', object: 'a table' }

export function field(doc: Doc, key: string, kind: Kind): unknown {
  const value = doc[key]
  if (typeof value === kind && value !== null) return value
  throw layoutError(key, NAMES[kind], value)
}

export const textOf = (doc: Doc, key: string): string => field(doc, key, 'string') as string

/** A list of texts. */
export function texts(value: unknown, key: string): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  throw layoutError(key, 'a list of texts', value)
}

/** A place that stands as a number or as its digits. */
export function placeOf(doc: Doc, key: string, first: number, last: number): number {
  const value = doc[key]
  const place = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  if (typeof place === 'number' && Number.isInteger(place) && place >= first && place <= last) return place
  throw layoutError(key, `a whole number from ${first} to ${last}`, value)
}
