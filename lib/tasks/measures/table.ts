/** Every measure of written answers by name. A new one: a file beside this, a row here, a line in docs/generation_tasks.md. */
import type { Measure } from '../generation'
import { ANSWER_MEASURES } from './answers'

export const MEASURES: Readonly<Record<string, Measure>> = {
  ...ANSWER_MEASURES,
}
