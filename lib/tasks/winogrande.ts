/** WinoGrande (Sakaguchi et al. 2019, arXiv 1907.10641): whom a blank means, told by how likely the rest of the sentence is. */
import { strip } from '../text/python_text'
import { acc } from './metrics'
import { layoutError, placeOf, textOf } from './records'
import type { ChoiceTask, Doc, Question } from './task'

export const WINOGRANDE: ChoiceTask = {
  kind: 'choices',
  name: 'winogrande',
  version: '1.0',
  about: 'whom a blank in a sentence means',
  source: {
    folders: ['winogrande', 'winogrande_1.1'],
    config: 'winogrande_xl',
    files: ['{split}_xl', '{split}', 'data/winogrande_1.1/{split}_xl', 'data/winogrande_1.1/{split}'],
    columns: ['sentence', 'option1', 'option2', 'answer'],
  },
  split: 'validation',
  shots: { split: 'train', pick: 'random', without_self: true },
  question,
  metrics: { acc },
}

/** Partial scoring: each option stands in the context, and what follows the blank is the answer of both. */
function question(doc: Doc): Question {
  const sentence = textOf(doc, 'sentence')
  const blank = sentence.indexOf('_')
  if (blank < 0) throw layoutError('sentence', 'a text with a blank _', sentence)
  const rest = strip(sentence.slice(blank + 1))
  return {
    context: ['option1', 'option2'].map((key) => sentence.slice(0, blank) + textOf(doc, key)),
    answers: [rest, rest],
    gold: placeOf(doc, 'answer', 1, 2) - 1,
  }
}
