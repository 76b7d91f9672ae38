/** What the entries of a list of words weigh in a text, and where in it they are found. */
import { UNSPACED } from '../../text/unspaced'

const LETTER = `(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}]`
/** Apostrophe and hyphen belong to a word within it (don't, short-sighted), not at its edges: 'idiot', idiot--go. */
const WORDS = new RegExp(`(?:${LETTER})+(?:['-](?:${LETTER})+)*`, 'gu')
const WORD_BEFORE = new RegExp(`${LETTER}['-]?$`, 'u')
const WORD_BEHIND = new RegExp(`^['-]?${LETTER}`, 'u')
/** Code units beside a phrase that tell whether a word goes on there: a letter of two, and a hyphen. */
const BESIDE = 3

/** Entries that stand without blanks beside them: of scripts that have none, and pictures. */
const ANYWHERE = new RegExp(`[${UNSPACED}\\p{Extended_Pictographic}\\p{Regional_Indicator}]`, 'u')

/** A run that ends a text is looked for from its first character only: the cost stays in proportion to the length. */
const ENDING = (kind: string) => `(?<!${kind})${kind}+$`
const QUOTED = new RegExp(`^["'“”„‘«»]+|${ENDING('["\'“”„‘«».,;!?…]')}`, 'gu')
const PUNCTUATED = new RegExp(`^[\\p{P}\\p{S}]+|${ENDING('[\\p{P}\\p{S}]')}`, 'gu')

/**
 * Where words have weights, the sum x of those that stand in a text as x / sqrt(x² + 15), from -1 to 1: the normalisation of
 * VADER (Hutto & Gilbert 2014), without its rules for negation, capitals and adverbs. Where they have none, 1 for a text
 * that has any of them. Capital letters do not count. Of entries that differ only there, the last counts.
 */
export class LexiconWeights {
  /** Runs of letters and digits. */
  readonly #words = new Map<string, number>()
  /** Emoticons, and words with other characters in them: compared with what stands between blanks, as VADER does. */
  readonly #tokens = new Map<string, number>()
  /** Several words: found where words begin and end. */
  readonly #phrases = new Map<string, number>()
  readonly #anywhere = new Map<string, number>()
  readonly #weighted: boolean

  constructor(entries: readonly (readonly [word: string, weight: number | undefined])[]) {
    this.#weighted = entries.some(([, weight]) => weight !== undefined)
    for (const [given, weight = 1] of entries) {
      const entry = folded(given)
      const word = wholeWord(entry)
      if (ANYWHERE.test(entry)) this.#anywhere.set(entry, weight)
      else if (entry.includes(' ')) this.#phrases.set(entry, weight)
      else if (word !== undefined) this.#words.set(word, weight)
      else this.#tokens.set(entry, weight)
    }
  }

  score(text: string): number {
    const found = this.#found(folded(text))
    if (!this.#weighted) return found.length > 0 ? 1 : 0
    const sum = found.reduce((all, one) => all + one, 0)
    return sum / Math.sqrt(sum * sum + 15)
  }

  /** The weight of each place where an entry stands. */
  #found(text: string): number[] {
    return [
      ...text.split(' ').flatMap((token) => this.#ofToken(token)),
      ...[...this.#phrases].flatMap(([phrase, weight]) => Array(placesOf(phrase, text)).fill(weight)),
      ...[...this.#anywhere].flatMap(([part, weight]) => Array(text.split(part).length - 1).fill(weight)),
    ]
  }

  #ofToken(token: string): number[] {
    if (this.#tokens.size > 0)
      for (const form of formsOf(token)) {
        const weight = this.#tokens.get(form)
        if (weight !== undefined) return [weight]
      }
    return (token.match(WORDS) ?? []).flatMap((word) => this.#words.get(word) ?? [])
  }
}

const folded = (text: string) => text.toLowerCase().replaceAll('’', "'").replaceAll(/\s+/g, ' ').trim()

function wholeWord(entry: string): string | undefined {
  const bare = entry.replaceAll(/^['-]+|(?<!['-])['-]+$/g, '')
  return bare.match(WORDS)?.[0] === bare ? bare : undefined
}

/** As it stands; without quotation marks and the end of a sentence; and as VADER: bare, unless 2 characters or fewer are left. */
function formsOf(token: string): string[] {
  const bare = token.replaceAll(PUNCTUATED, '')
  return [token, token.replaceAll(QUOTED, ''), ...(bare.length > 2 ? [bare] : [])]
}

/** Where no word goes on before it or behind it. */
function placesOf(phrase: string, text: string): number {
  let places = 0
  let at = text.indexOf(phrase)
  while (at >= 0) {
    const end = at + phrase.length
    const alone =
      !WORD_BEFORE.test(text.slice(Math.max(0, at - BESIDE), at)) &&
      !WORD_BEHIND.test(text.slice(end, end + BESIDE))
    if (alone) places++
    at = text.indexOf(phrase, alone ? end : at + 1)
  }
  return places
}
