/** A class an utterance, from the mean of its places: speakers, digits, keywords. */

import type { ProbeKind } from '../kind'
import { labelText } from '../label_text'

export const utterance: ProbeKind = {
  objective: 'class',
  pooled: true,
  blanks: 0,
  allowsUnseen: false,
  read: async (found, { probe }) => [labelText(found, probe)],
  score(targets, predictions) {
    const right = targets.filter((target, i) => target[0] === predictions[i]![0]).length
    return { accuracy: right / targets.length }
  },
  shown: (numbers, names) => names[numbers[0]!],
}
