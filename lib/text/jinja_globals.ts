import type { Environment } from '@huggingface/jinja'
import { limitFault, TemplateFault } from './jinja_errors'
import { ITEMS_A_UNIT } from './jinja_interpreter'

type Charge = (units: number) => void

/** Longest list that a template can count up with `range`. */
const MAX_RANGE = 10_000

/** What any template knows beside the data. */
export function defineNames(environment: Environment, charge: Charge): void {
  for (const [name, value] of [
    ['true', true],
    ['false', false],
    ['none', null],
  ] as const) {
    environment.set(name, value)
    environment.set(name[0]!.toUpperCase() + name.slice(1), value)
  }
  environment.set('range', (...bounds: unknown[]) => boundedRange(bounds, charge))
}

/** The functions that chat templates expect beside the data, as transformers offers them. */
export function defineGlobals(environment: Environment, charge: Charge, now: () => Date): void {
  defineNames(environment, charge)
  environment.set('strftime_now', (format: unknown) => {
    charge(200)
    return strftime(now(), String(format))
  })
  environment.set('raise_exception', (message: unknown) => {
    const hint = 'Change the conversation as the message says; it is the template that speaks.'
    throw new TemplateFault(`refuses the conversation: ${message}`, hint, { raised: String(message) })
  })
}

function boundedRange(bounds: unknown[], charge: Charge): number[] {
  if (bounds.length < 1 || bounds.length > 3 || !bounds.every(Number.isInteger)) {
    throw new TemplateFault('range takes one to three whole numbers')
  }
  const [first, second, step = 1] = bounds as [number, number?, number?]
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  if (step === 0) throw new TemplateFault('range takes a step that is not 0')
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (count > MAX_RANGE) throw limitFault('a longer range', `${MAX_RANGE} numbers`)
  charge(count / ITEMS_A_UNIT)
  return Array.from({ length: count }, (_, i) => start + i * step)
}

const CALL = /strftime_now\s*\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)/g
const ASKED_FOR = /strftime_now\s+is\s+(?:not\s+)?defined/g
/** All that strftime knows of a moment, to the second. */
const EVERYTHING = '%Y-%m-%d %H:%M:%S'

/** The formats that a template has `strftime_now` write; one of them all where they do not stand in its source. */
export function clockUses(source: string): string[] {
  const formats = new Set([...source.matchAll(CALL)].map(([, single, double]) => single ?? double ?? ''))
  const hidden = source.replace(CALL, '').replace(ASKED_FOR, '').includes('strftime_now')
  return hidden ? [EVERYTHING] : [...formats]
}

const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
)

/** The codes of Python's strftime that templates use, in English. */
export function strftime(date: Date, format: string): string {
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
