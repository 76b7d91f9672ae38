/** Whether the last answer is the right one, or has it in it. */
import { strip } from '../../text/python_text'
import type { Answered, Measure } from '../generation'

/** What does not count when texts are compared: keys of the harness' exact_match. */
export interface TextRules {
  ignore_case?: boolean | undefined
  ignore_punctuation?: boolean | undefined
  ignore_numbers?: boolean | undefined
  /** Parts that are taken out first. */
  regexes_to_ignore?: readonly RegExp[] | undefined
}

/** Python's string.punctuation, and nothing beyond it: as the harness has it. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g

/** A text as it is compared; blanks at its edges never count. */
export function compared(text: string, rules: TextRules): string {
  let kept = text
  for (const pattern of rules.regexes_to_ignore ?? []) kept = kept.replaceAll(pattern, '')
  if (rules.ignore_case) kept = kept.toLowerCase()
  if (rules.ignore_punctuation) kept = kept.replaceAll(PUNCTUATION, '')
  if (rules.ignore_numbers) kept = kept.replaceAll(/[0-9]/g, '')
  return strip(kept)
}

/** The last answer and what it is held against, as they are compared. */
function sides({ answers, conversation: { target = [] } }: Answered, rules: TextRules) {
  const [answer, ...targets] = [answers.at(-1)!.text, ...[target].flat()].map((text) => compared(text, rules))
  return { answer: answer!, targets }
}

/** Of several targets one is enough; without any the document tells nothing. */
export const exactMatch = (rules: TextRules = {}): Measure => ({
  of: (answered) => {
    const { answer, targets } = sides(answered, rules)
    return targets.length === 0 ? null : Number(targets.includes(answer))
  },
})

/** The same, but for a target of which the rules leave nothing: any answer would have it in it. */
export const contains = (rules: TextRules = {}): Measure => ({
  of: (answered) => {
    const { answer, targets } = sides(answered, rules)
    const told = targets.filter((target) => target !== '')
    return told.length === 0 ? null : Number(told.some((target) => answer.includes(target)))
  },
})
