/** Questions whose options stand in the prompt behind letters, and whose answer is a letter: MMLU and those made after it. */
import { strip } from '../text/python_text'
import { layoutError, textOf, texts } from './records'
import type { Doc, Question } from './task'

export const LETTERS = ['A', 'B', 'C', 'D'] as const

/** Of records { question, A, B, C, D, answer } or { question, choices, answer }; `ask` ends the prompt. */
export function lettered(doc: Doc, ask: string): Question {
  const options = Array.isArray(doc.choices)
    ? texts(doc.choices, 'choices')
    : LETTERS.map((letter) => textOf(doc, letter))
  if (options.length !== LETTERS.length) throw layoutError('choices', 'four texts', doc.choices)
  const lines = options.map((option, i) => `${LETTERS[i]}. ${option}`)
  return {
    context: [strip(textOf(doc, 'question')), ...lines, ask].join('\n'),
    answers: LETTERS,
    gold: goldOf(doc.answer),
  }
}

function goldOf(answer: unknown): number {
  const place = typeof answer === 'number' ? answer : LETTERS.indexOf(answer as 'A')
  if (LETTERS[place] !== undefined) return place
  throw layoutError('answer', 'A, B, C, D, or 0 to 3', answer)
}

export const LETTERED_COLUMNS = ['question', 'choices', ...LETTERS, 'answer'] as const
