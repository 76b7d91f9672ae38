/** What a JavaScript call is given, where anything may come: its options by a table, its arguments one by one. */
import { TongueforgeError } from '../errors'
import type { JobCallbacks } from '../native'
import { MOST_THREADS } from './checks'
import { shown, suggestion } from './parse'

/**
 * What an option has to be. `needed`: text that the call cannot do without; `any`: the call itself checks it. Flags and
 * functions that are null count as not given.
 */
export type Kind = 'any' | 'flag' | 'function' | 'needed' | 'signal' | 'text' | 'threads'

/** All options that a call knows. */
export type Kinds<Options> = { readonly [Key in keyof Options]-?: Kind }

/** Of calls that tell how far they are. */
export const LISTENERS: Kinds<Omit<JobCallbacks, 'onItem'>> = { signal: 'signal', onProgress: 'function' }

/** Of calls on models in memory. */
export const JOB_LISTENERS: Kinds<JobCallbacks> = { ...LISTENERS, onItem: 'function' }

const CHECKS: Record<Kind, (option: string, value: unknown, key: string) => void> = {
  any: () => {},
  flag: (option, value) => value === null || flagOption(option, value),
  function(option, value) {
    if (value !== null && typeof value !== 'function') throw refused(option, 'a function', value)
  },
  needed(option, value, key) {
    if (typeof value !== 'string') throw refused(option, 'text', value, `Write { ${key}: '...' }.`)
  },
  signal(option, value) {
    if (!(value instanceof AbortSignal))
      throw refused(option, 'an AbortSignal', value, 'Write { signal: controller.signal }.')
  },
  text: textOption,
  threads: (option, value) => numberOption(option, value, { least: 0, most: MOST_THREADS, whole: true }),
}

/** Throws ERR_USAGE for what is no object of options, for an option that the call does not know, or that is of another kind. */
export function checkOptions<Options extends object>(
  call: string,
  options: Options,
  kinds: Kinds<Options>,
): void {
  const known = Object.keys(kinds)
  checkIsOptions(
    call,
    options,
    known.filter((key) => kinds[key as keyof Options] === 'needed'),
  )
  const table = options as Record<string, unknown>
  const stranger = Object.keys(table).find((key) => table[key] !== undefined && !known.includes(key))
  if (stranger !== undefined) throw unknownOption(call, stranger, suggestion(stranger, known))
  for (const [key, kind] of Object.entries<Kind>(kinds))
    if (table[key] !== undefined || kind === 'needed') CHECKS[kind](`${call}: ${key}`, table[key], key)
}

/** What holds for the options of every call; for those that a schema checks further. Throws ERR_USAGE. */
export function checkIsOptions(call: string, options: object, needed: readonly string[] = []): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const sample = (needed.length > 0 ? needed : ['key']).map((key) => `${key}: ...`).join(', ')
    throw refused(call, 'an object of options', options, `Write { ${sample} }.`)
  }
  const snake = Object.keys(options).find((key) => key.includes('_'))
  if (snake !== undefined)
    throw unknownOption(call, snake, `Options of a call are camelCase: ${camelCase(snake)}.`)
}

/** Bounds of a number, both within. */
export interface Bounds {
  least: number
  most: number
  whole: boolean
}

/** A number that a call was given. Throws ERR_USAGE that names the option, as all of these do. */
export function numberOption(option: string, value: unknown, { least, most, whole }: Bounds): number {
  const isNumber = typeof value === 'number' && value >= least && value <= most
  if (isNumber && (!whole || Number.isInteger(value))) return value
  throw refused(option, `a ${whole ? 'whole ' : ''}number from ${least} to ${most}`, value)
}

/** One of a few words. */
export function wordOption<Word extends string>(
  option: string,
  value: unknown,
  words: readonly Word[],
): Word {
  const found = words.find((word) => word === value)
  if (found !== undefined) return found
  throw refused(option, words.join(', '), value)
}

/** true or false: another value would be taken for one of them. */
export function flagOption(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw refused(option, 'true or false', value)
}

export function textOption(option: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw refused(option, 'text', value, value instanceof URL ? BY_PATH : undefined)
}

/** Of a file or folder. */
export function pathOption(option: string, value: unknown): string {
  if (typeof value === 'string') return value
  throw refused(option, 'a path', value, value instanceof URL ? BY_PATH : undefined)
}

/** A list, `of` which things: a text would be taken letter by letter. */
export function listOption<Item>(option: string, value: readonly Item[], of: string): readonly Item[] {
  if (Array.isArray(value)) return value
  throw refused(option, `a list of ${of}`, value)
}

export function textsOption(option: string, value: readonly string[]): readonly string[] {
  const texts = listOption(option, value, 'texts')
  const place = texts.findIndex((text) => typeof text !== 'string')
  if (place < 0) return texts
  throw refused(`${option}[${place}]`, 'text', texts[place])
}

/** Things by their names: of a text or a Map the names would be others, or none. */
export function tableOption<Item>(
  option: string,
  value: Readonly<Record<string, Item>>,
  of: string,
): Readonly<Record<string, Item>> {
  if (typeof value === 'object' && value !== null && isPlain(value) && !Array.isArray(value)) return value
  throw refused(option, `a table of ${of} by name`, value)
}

/** ERR_USAGE of one option or argument: what was expected, and what came. */
export function refused(
  option: string,
  expected: string,
  received: unknown,
  hint?: string,
): TongueforgeError {
  return new TongueforgeError(
    'ERR_USAGE',
    `${option}: expected ${expected}, received ${describedValue(received)}`,
    { hint, details: { option, expected, received } },
  )
}

const unknownOption = (call: string, option: string, hint: string | undefined) =>
  new TongueforgeError('ERR_USAGE', `${call}: ${option}: unknown option`, { hint, details: { option } })

const BY_PATH = 'A path is text: fileURLToPath(url) of node:url makes one.'
const MOST_SHOWN = 100

/** On a line: of what is no plain data its class. */
function describedValue(value: unknown): string {
  if (typeof value === 'object' && value !== null && !isPlain(value))
    return `an instance of ${value.constructor?.name || 'a class'}`
  const text = typeof value === 'string' ? `'${value}'` : shownSafely(value)
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text
}

/** Of this realm or another. */
const isPlain = (value: object) =>
  Array.isArray(value) || [null, 'Object'].includes(value.constructor?.name ?? null)

function shownSafely(value: unknown): string {
  try {
    return shown(value)
  } catch {
    return 'what cannot be shown' // it holds itself
  }
}

const camelCase = (key: string) => key.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
