/** XCOPA (Ponti et al. 2020): cause or effect of a sentence, in eleven languages. */
import { lowerFirst, strip, withoutLast } from '../text/python_text'
import { acc } from './metrics'
import { layoutError, placeOf, textOf } from './records'
import type { ChoiceTask, Doc, Question, TaskGroup } from './task'

/** By language: what leads to a cause, what to an effect. */
const CONNECTORS: Readonly<Record<string, { language: string; cause: string; effect: string }>> = {
  et: { language: 'Estonian', cause: 'sest', effect: 'seetõttu' },
  ht: { language: 'Haitian Creole', cause: 'poukisa', effect: 'donk sa' },
  id: { language: 'Indonesian', cause: 'karena', effect: 'maka' },
  it: { language: 'Italian', cause: 'perché', effect: 'quindi' },
  qu: { language: 'Quechua', cause: 'imataq', effect: 'chaymi' },
  sw: { language: 'Swahili', cause: 'kwa sababu', effect: 'kwa hiyo' },
  ta: { language: 'Tamil', cause: 'காரணமாக', effect: 'எனவே' },
  th: { language: 'Thai', cause: 'เพราะ', effect: 'ดังนั้น' },
  tr: { language: 'Turkish', cause: 'çünkü', effect: 'bu yüzden' },
  vi: { language: 'Vietnamese', cause: 'bởi vì', effect: 'vì vậy' },
  zh: { language: 'Chinese', cause: '因为', effect: '所以' },
}

export const XCOPA: ChoiceTask[] = Object.entries(CONNECTORS).map(([config, connectors]) => ({
  kind: 'choices',
  name: `xcopa_${config}`,
  version: '1.0',
  about: `cause or effect, in ${connectors.language}`,
  source: {
    folders: ['xcopa'],
    config,
    files: ['data/{config}/{split}.{config}', '{config}/{split}.{config}'],
    columns: ['premise', 'choice1', 'choice2', 'question', 'label', 'idx', 'changed'],
  },
  split: 'test',
  shots: { split: 'validation', pick: 'random' },
  question: (doc) => question(doc, connectors),
  metrics: { acc },
}))

export const XCOPA_GROUPS: TaskGroup[] = [
  { name: 'xcopa', about: 'cause or effect, in eleven languages', tasks: XCOPA.map(({ name }) => name) },
]

/** The premise without its full stop, the connector, and the alternatives as the rest of the sentence. */
function question(doc: Doc, connectors: Readonly<Record<string, string>>): Question {
  const asked = textOf(doc, 'question')
  if (asked !== 'cause' && asked !== 'effect') throw layoutError('question', 'cause or effect', asked)
  return {
    context: `${withoutLast(strip(textOf(doc, 'premise')))} ${connectors[asked]}`,
    answers: [lowerFirst(textOf(doc, 'choice1')), lowerFirst(textOf(doc, 'choice2'))],
    gold: placeOf(doc, 'label', 0, 1),
  }
}
