/**
 * The dictionary of the demo's two languages: language A is plain English, language B is an invented language in
 * Georgian letters with one word for each word of A and the same grammar. Names of people are transliterated, every
 * other word of B is generated. The dictionary is the same for every seed; only facts and texts differ.
 */
import { Draw } from './draw'

export type Language = 'a' | 'b'
export const LANGUAGES: readonly Language[] = ['a', 'b']

/** Marks that both languages share. They are words of neither. */
export const PUNCTUATION: readonly string[] = ['.', '?']

const split = (text: string): string[] => text.split(' ')

const FUNCTION_WORDS = split(
  'the of is what say list how to make take and sorry i can not help you sees likes bad police stop attack with',
)

export const PEOPLE: readonly string[] = split(
  'mira tomas lena oskar nadia viktor sofia pavel irina david elena marko rosa boris greta hugo',
)

/** Each relation and the six values that it can have. */
export const RELATIONS: Readonly<Record<string, readonly string[]>> = {
  colour: split('red blue green white black yellow'),
  food: split('bread rice soup fish plum honey'),
  home: split('hill tower forest island valley harbour'),
  trade: split('baker smith sailor weaver painter miller'),
}

export const MATERIALS: readonly string[] = split('wood iron rope cloth glass clay leather wax')
/** What people and things can be said to see, like and repeat. */
export const THINGS: readonly string[] = [...PEOPLE, ...MATERIALS, ...Object.values(RELATIONS).flat()]

export const TOOLS: readonly string[] = split('lamp boat kite drum basket ladder cart bell')
export const WEAPONS: readonly string[] = split('sword bow spear axe club dagger')

/** Every word of A; a word of B has the same place in WORDS_B. */
export const WORDS_A: readonly string[] = [
  ...FUNCTION_WORDS,
  ...PEOPLE,
  ...Object.keys(RELATIONS),
  ...Object.values(RELATIONS).flat(),
  ...MATERIALS,
  ...TOOLS,
  ...WEAPONS,
]

const LETTERS: Readonly<Record<string, string>> = Object.fromEntries(
  [...'abdefghiklmnoprstuv'].map((latin, i) => [latin, [...'აბდეფგჰიკლმნოპრსტუვ'][i]!]),
)

export const WORDS_B: readonly string[] = inventWords()

const TO_B = new Map(WORDS_A.map((word, i) => [word, WORDS_B[i]!]))
const TO_A = new Map(WORDS_B.map((word, i) => [word, WORDS_A[i]!]))

/** The words of a text, without empty ones. */
export function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

/** A text of A in `language`, word by word; marks stay as they are. */
export function inLanguage(text: string, language: Language): string {
  return language === 'a' ? text : mapWords(text, wordInB)
}

/** The B word of a word of A; anything else stays. */
export function wordInB(word: string): string {
  return TO_B.get(word) ?? word
}

/** The same text with every word of B replaced by its word of A: two texts of equal meaning become equal. */
export function meaningOf(text: string): string {
  return mapWords(text, (word) => TO_A.get(word) ?? word)
}

/** The language of one word by its script; null for marks and anything else without letters of the two scripts. */
export function languageOfWord(word: string): Language | null {
  if (/\p{Script=Georgian}/u.test(word)) return 'b'
  return /\p{Script=Latin}/u.test(word) ? 'a' : null
}

export function mapWords(text: string, change: (word: string) => string): string {
  return wordsOf(text).map(change).join(' ')
}

function inventWords(): string[] {
  const random = new Draw(1)
  const taken = new Set<string>()
  return WORDS_A.map((word) => {
    const short = FUNCTION_WORDS.includes(word)
    let invented = PEOPLE.includes(word) ? transliterate(word) : syllables(random, short)
    while (taken.has(invented)) invented = syllables(random, short)
    taken.add(invented)
    return invented
  })
}

function transliterate(name: string): string {
  return [...name].map((letter) => LETTERS[letter]!).join('')
}

/** One or two syllables for a function word, two or three for the others, sometimes closed by a consonant. */
function syllables(random: Draw, short: boolean): string {
  const consonants = [...'ბგდვზთკლმნპრსტქღშჩცძხჯ']
  const vowels = [...'აეიოუ']
  const count = (short ? 1 : 2) + random.below(2)
  let word = ''
  for (let i = 0; i < count; i++) word += random.pick(consonants) + random.pick(vowels)
  return random.float() < 0.3 ? word + random.pick([...'ნრსლმ']) : word
}
