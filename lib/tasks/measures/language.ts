/** Whether answers are in the language that was asked for (InsCP, arXiv 2405.20175, table 1). */
import { acceptsLanguage } from '../../text/language/matching'
import { UNDETERMINED } from '../../text/language/tag'
import type { Answered, Measure } from '../generation'
import { mean } from '../metrics'

/** Of each answer; null where no language is expected. */
function shareOf(value: (expected: string, answered: Answered) => number[]): Measure {
  return {
    needs: ['language'],
    of: (answered) => {
      const { expected } = answered.found
      return expected === undefined ? null : mean(value(expected, answered))
    },
  }
}

export const LANGUAGE_MEASURES: Readonly<Record<string, Measure>> = {
  language_alignment: shareOf((expected, { found }) =>
    found.languages!.map((one) => (acceptsLanguage(expected, one) ? 1 : 0)),
  ),
  /** Too short to tell, or without letters: not aligned, and not in another language either. */
  language_undetermined: shareOf((_, { found }) =>
    found.languages!.map(({ language }) => (language === UNDETERMINED ? 1 : 0)),
  ),
}
