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

const camelCase = (key: string) => key.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase())
