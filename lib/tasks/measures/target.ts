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

type Holds = (answer: string, target: string) => boolean

/** Of several targets one is enough; without any the document tells nothing. */
const againstTarget = (holds: Holds, rules: TextRules): Measure => ({
  of: ({ answers, conversation: { target } }: Answered) => {
    if (target === undefined) return null
    const answer = compared(answers.at(-1)!.text, rules)
    return [target].flat().some((one) => holds(answer, compared(one, rules))) ? 1 : 0
  },
})

export const exactMatch = (rules: TextRules = {}): Measure =>
  againstTarget((answer, target) => answer === target, rules)

export const contains = (rules: TextRules = {}): Measure =>
  againstTarget((answer, target) => answer.includes(target), rules)
