/** A sequence of tokens an utterance, by CTC: phones of words, letters of a text. */
import { TongueforgeError } from '../../../errors'
import { phonesOf } from '../../../text/lexicon'
import { editDistance } from '../edit_distance'
import type { Label, Numbers, ProbeKind } from '../kind'
import { labelText } from '../label_text'

export const sequence: ProbeKind = {
  objective: 'sequence',
  pooled: false,
  blanks: 1,
  allowsUnseen: true,
  async read(found, { probe, lexicon, places }) {
    const words = labelText(found, probe).trim().split(/\s+/)
    const tokens = lexicon ? phonesOf(words, lexicon) : words
    if ('missing' in tokens) throw noWord(found.path, tokens.missing, probe.lexicon!)
    const needed = placesNeeded(tokens)
    if (needed <= places) return tokens
    throw new TongueforgeError(
      'ERR_DATA',
      `${found.path}: expected at least ${needed} places for the ${tokens.length} tokens of ${probe.label}, received ${places}`,
      {
        hint: 'CTC needs a place a token, and one between two that are alike. Leave the utterance out, or take a model with shorter places.',
        details: { file: found.path },
      },
    )
  },
  score(targets, predictions) {
    let [errors, tokens] = [0, 0]
    for (const [i, target] of targets.entries()) {
      errors += editDistance(target, predictions[i]!)
      tokens += target.length
    }
    return { error_rate: errors / tokens, tokens }
  },
  shown: (numbers: Numbers, names) => Array.from(numbers, (number) => names[number]).join(' '),
}

/** As native/probe/ctc.h has it. */
function placesNeeded(tokens: Label): number {
  return tokens.length + tokens.filter((token, i) => i > 0 && token === tokens[i - 1]).length
}

const noWord = (file: string, word: string, lexicon: string) =>
  new TongueforgeError('ERR_DATA', `${file}: expected the word ${word} in ${lexicon}, found none`, {
    hint: 'Add a line: the word and its phones, as in: seven S EH V AH N',
    details: { file, word, lexicon },
  })
