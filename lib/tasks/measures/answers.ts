/** Whether answers come to an end by themselves, and how long they are. */
import { length } from '../../text/python_text'
import type { Answer, Measure } from '../generation'
import { mean } from '../metrics'

/** The mean over the answers of a document. */
export const ofEach = (value: (answer: Answer) => number): Measure => ({
  of: ({ answers }) => mean(answers.map(value)),
})

/** 1 where an answer was ended by the model, not by the limit. */
export const stopped = ({ finish_reason }: Pick<Answer, 'finish_reason'>): number =>
  finish_reason === 'stop' ? 1 : 0

export const ANSWER_MEASURES: Readonly<Record<string, Measure>> = {
  stop_rate: ofEach(stopped),
  length_tokens: ofEach(({ tokens }) => tokens),
  length_characters: ofEach(({ text }) => length(text)),
}
