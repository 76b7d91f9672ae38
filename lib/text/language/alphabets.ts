/** Languages that are told apart by their letters alone: those that no detector knows. */
import { UNDETERMINED } from './tag'

/** By name of a language, the letters that it is written in. */
export type Alphabets = Readonly<Record<string, string>>

/**
 * The language of most words, and of a word that of most of its letters; of equals the one that is named first. Words
 * without a letter of any do not count; `und` where none has one.
 */
export function languageByLetters(text: string, alphabets: Alphabets): string {
  const letters = Object.entries(alphabets).map(([name, all]) => [name, new Set(all.toLowerCase())] as const)
  const languageOf = (word: string) =>
    mostFrequent(
      letters.map(([name, own]) => [name, [...word].filter((letter) => own.has(letter)).length] as const),
    )
  const counts = new Map(letters.map(([name]) => [name, 0]))
  for (const word of text.toLowerCase().split(/\s+/)) {
    const language = languageOf(word)
    if (language !== UNDETERMINED) counts.set(language, counts.get(language)! + 1)
  }
  return mostFrequent([...counts])
}

function mostFrequent(counts: readonly (readonly [name: string, count: number])[]): string {
  const [name, count] = counts.reduce((best, one) => (one[1] > best[1] ? one : best), [UNDETERMINED, 0])
  return count > 0 ? name : UNDETERMINED
}
