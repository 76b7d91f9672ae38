/** Pieces of schemas: each says in its error what was expected. */
import { z } from 'zod'

export const positive = () =>
  z.number({ error: 'expected a number above 0' }).positive('expected a number above 0')
export const count = (least: number) =>
  z
    .int({ error: `expected a whole number from ${least}` })
    .min(least, `expected a whole number from ${least}`)
/** Threads of a job; 0: a number of its own choice. No more than the addon takes. */
export const threads = () => z.int({ error: THREADS }).min(0, THREADS).max(MOST_THREADS, THREADS)
export const MOST_THREADS = 1024
const THREADS = `expected a whole number from 0 to ${MOST_THREADS}`
export const text = () => z.string({ error: 'expected text' }).min(1, 'expected text')
export const share = () =>
  z
    .number({ error: 'expected a number from 0 to below 1' })
    .min(0, 'expected a number from 0 to below 1')
    .lt(1, 'expected a number from 0 to below 1')
export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `expected ${values.join(' | ')}` })
