/** The script that most letters of a text are of. */
import { chineseScript } from './chinese'

/** Codes of ISO 15924, and what Unicode calls the same. A row more is a script more. */
const SCRIPTS = {
  Latn: 'Latin',
  Cyrl: 'Cyrillic',
  Grek: 'Greek',
  Arab: 'Arabic',
  Hebr: 'Hebrew',
  Hani: 'Han',
  Hira: 'Hiragana',
  Kana: 'Katakana',
  Hang: 'Hangul',
  Deva: 'Devanagari',
  Beng: 'Bengali',
  Guru: 'Gurmukhi',
  Gujr: 'Gujarati',
  Orya: 'Oriya',
  Taml: 'Tamil',
  Telu: 'Telugu',
  Knda: 'Kannada',
  Mlym: 'Malayalam',
  Sinh: 'Sinhala',
  Thai: 'Thai',
  Laoo: 'Lao',
  Tibt: 'Tibetan',
  Mymr: 'Myanmar',
  Khmr: 'Khmer',
  Geor: 'Georgian',
  Armn: 'Armenian',
  Ethi: 'Ethiopic',
  Cher: 'Cherokee',
  Mong: 'Mongolian',
  Syrc: 'Syriac',
  Thaa: 'Thaana',
  Bopo: 'Bopomofo',
  Cans: 'Canadian_Aboriginal',
  Yiii: 'Yi',
  Vaii: 'Vai',
  Tfng: 'Tifinagh',
} as const

type UnicodeScript = keyof typeof SCRIPTS

const PATTERNS = Object.entries(SCRIPTS).map(
  ([code, name]) => [code as UnicodeScript, new RegExp(`\\p{Script=${name}}`, 'gu')] as const,
)

/** What is enough to tell: longer texts are judged by their beginning, in characters of UTF-16. */
const ENOUGH = 100_000

/**
 * The ISO 15924 code of a text: Latn, Cyrl... Of East Asia: Jpan where kana stand beside whatever else, Kore where
 * Hangul do, else Hans or Hant (chinese.ts), or Hani where no character tells. Zyyy where there are no letters.
 */
export function scriptOf(text: string): string {
  const counts = new Map<UnicodeScript, number>()
  const beginning = text.slice(0, ENOUGH)
  for (const [code, pattern] of PATTERNS) counts.set(code, beginning.match(pattern)?.length ?? 0)
  const count = (...codes: UnicodeScript[]) => codes.reduce((sum, code) => sum + counts.get(code)!, 0)
  const eastAsian = count('Hani', 'Hira', 'Kana', 'Hang', 'Bopo')
  const [most, highest] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))
  if (highest === 0) return 'Zyyy'
  if (eastAsian < highest) return most
  return eastAsianScript(beginning, count('Hani'), count('Hira', 'Kana'), count('Hang'))
}

/** The share of kana that makes Japanese of Han characters; a name in kana within Chinese is less. */
const ENOUGH_KANA = 0.1

function eastAsianScript(text: string, han: number, kana: number, hangul: number): string {
  if (hangul > han && hangul > kana) return 'Kore'
  if (kana > ENOUGH_KANA * (han + kana)) return 'Jpan'
  return han === 0 ? 'Bopo' : (chineseScript(text) ?? 'Hani')
}
