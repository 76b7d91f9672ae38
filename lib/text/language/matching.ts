/** Whether a text is in the language that was asked for: tags of BCP 47, their scripts told apart where they are stated. */
import { languageTag, UNDETERMINED } from './tag'

/** A language as a detector tells it; the script by ISO 15924, where it is known. */
export interface FoundLanguage {
  language: string
  script?: string | undefined
}

/** Names that detectors use side by side, or languages that they do not tell apart. */
const SAME: Readonly<Record<string, string>> = { nb: 'no', id: 'ms' }

/** Scripts of which a text that is short may show nothing. */
const OPEN_SCRIPTS = new Set(['Hani', 'Zyyy'])

/**
 * The languages have to be the same, after the canonical names of BCP 47 (deu is de, cmn is zh). Where the expected tag
 * states a script (zh-Hant, sr-Latn), or is Chinese of a region that has one (zh-TW is zh-Hant), the text has to be in it,
 * or in characters that both scripts of Chinese share. What else the tags say, regions and variants, does not count. What is
 * no tag has to be equal.
 */
export function acceptsLanguage(expected: string, found: FoundLanguage): boolean {
  if (found.language === UNDETERMINED) return false
  const [wanted, given] = [localeOf(expected), localeOf(found.language)]
  if (wanted === undefined || given === undefined) return expected === found.language
  if (nameOf(wanted) !== nameOf(given)) return false
  const script = statedScript(wanted)
  const shown = statedScript(given) ?? found.script
  return script === undefined || shown === undefined || OPEN_SCRIPTS.has(shown) || script === shown
}

function localeOf(tag: string): Intl.Locale | undefined {
  try {
    return new Intl.Locale(languageTag(tag))
  } catch {
    return undefined
  }
}

const nameOf = ({ language }: Intl.Locale) => SAME[language] ?? language

function statedScript(locale: Intl.Locale): string | undefined {
  const { language, region, script } = locale
  return script ?? (language === 'zh' && region !== undefined ? locale.maximize().script : undefined)
}
