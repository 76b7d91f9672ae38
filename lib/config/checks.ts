/** Pieces of schemas: each says in its error what was expected. */
import { z } from 'zod'

export const positive = () =>
  z.number({ error: 'expected a number above 0' }).positive('expected a number above 0')
export const count = (least: number) =>
  z
    .int({ error: `expected a whole number from ${least}` })
    .min(least, `expected a whole number from ${least}`)
export const text = () => z.string({ error: 'expected text' }).min(1, 'expected text')
export const share = () =>
  z
    .number({ error: 'expected a number from 0 to below 1' })
    .min(0, 'expected a number from 0 to below 1')
    .lt(1, 'expected a number from 0 to below 1')
export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `expected ${values.join(' | ')}` })
