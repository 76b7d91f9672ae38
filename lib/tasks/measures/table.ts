/** Every measure of written answers by name. A new one: a file beside this, a row here, a line in docs/generation_tasks.md. */
import type { Measure } from '../generation'
import { ANSWER_MEASURES } from './answers'
import { LANGUAGE_MEASURES } from './language'
import { refusalRate } from './refusal'
import { REPETITION_MEASURES } from './repetition'
import { SCORE_MEASURES } from './scores'
import { contains, exactMatch, type TextRules } from './target'

/** What a task may tell a measure. */
export interface MeasureRules extends TextRules {
  /** Ways to refuse beside the listed ones. */
  refusal_phrases?: readonly string[] | undefined
}

/** What has no rules is as it is. */
const fixed = (measures: Readonly<Record<string, Measure>>) =>
  Object.fromEntries(Object.entries(measures).map(([name, measure]) => [name, () => measure]))

export const MEASURES: Readonly<Record<string, (rules: MeasureRules) => Measure>> = {
  ...fixed(ANSWER_MEASURES),
  ...fixed(LANGUAGE_MEASURES),
  refusal_rate: ({ refusal_phrases }) => refusalRate(refusal_phrases),
  ...fixed(REPETITION_MEASURES),
  ...fixed(SCORE_MEASURES),
  exact_match: exactMatch,
  contains,
}

/** Measures by name, none with rules of its own. */
export const measures = (...names: readonly string[]): Record<string, Measure> =>
  Object.fromEntries(names.map((name) => [name, MEASURES[name]!({})]))
