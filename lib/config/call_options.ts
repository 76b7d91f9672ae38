/** The options of a JavaScript call, where anything may come: an object, with what the call cannot do without. */
import { TongueforgeError } from '../errors'
import { shown } from './parse'

/**
 * Checks what holds for the options of every call; what they mean is for the call to check. `needed`: keys that hold
 * text. Throws ERR_USAGE.
 */
export function checkOptions(call: string, options: object, needed: readonly string[] = []): void {
  const refuse = (problem: string, hint: string): never => {
    throw new TongueforgeError('ERR_USAGE', `${call}: ${problem}`, { hint })
  }
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const sample = (needed.length > 0 ? needed : ['key']).map((key) => `${key}: ...`).join(', ')
    refuse(`expected an object of options, received ${shown(options)}`, `Write { ${sample} }.`)
  }
  const table = options as Record<string, unknown>
  const snake = Object.keys(table).find((key) => key.includes('_'))
  if (snake !== undefined)
    refuse(`${snake}: unknown option`, `Options of a call are camelCase: ${camelCase(snake)}.`)
  const missing = needed.find((key) => typeof table[key] !== 'string')
  if (missing !== undefined)
    refuse(`${missing}: expected text, received ${shown(table[missing])}`, `Write { ${missing}: '...' }.`)
  if (table.signal !== undefined && !(table.signal instanceof AbortSignal))
    refuse(
      `signal: expected an AbortSignal, received ${shown(table.signal)}`,
      'Write { signal: controller.signal }.',
    )
}

/** Bounds of a number, both within. */
export interface Bounds {
  least: number
  most: number
  whole: boolean
}

/** A number that a call was given. Throws ERR_USAGE that names the option. */
export function numberOption(option: string, value: unknown, { least, most, whole }: Bounds): number {
  const isNumber = typeof value === 'number' && value >= least && value <= most
  if (isNumber && (!whole || Number.isInteger(value))) return value
  throw refused(option, `a ${whole ? 'whole ' : ''}number from ${least} to ${most}`, value)
}

/** One of a few words. Throws ERR_USAGE that names the option and all of them. */
export function wordOption<Word extends string>(
  option: string,
  value: unknown,
  words: readonly Word[],
): Word {
  const found = words.find((word) => word === value)
  if (found !== undefined) return found
  throw refused(option, words.join(', '), value)
}

/** true or false: another value would be taken for one of them. Throws ERR_USAGE that names the option. */
export function flagOption(option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw refused(option, 'true or false', value)
}

function refused(option: string, expected: string, received: unknown): TongueforgeError {
  const given = typeof received === 'string' ? `'${received}'` : shown(received)
  return new TongueforgeError('ERR_USAGE', `${option}: expected ${expected}, received ${given}`, {
    details: { option, expected, received },
  })
}

const camelCase = (key: string) => key.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
