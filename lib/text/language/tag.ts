/** Names of languages as BCP 47 has them: what detectors say, in one spelling. */
import { scriptOf } from './script'

/** No language: nothing that a detector knows. */
export const UNDETERMINED = 'und'

/** "__label__zho_Hant" -> "zh-Hant"; "deu" -> "de". What is no name of a language stays as it is. */
export function languageTag(label: string): string {
  const name = label.replace(/^__label__/, '').replaceAll('_', '-')
  try {
    return Intl.getCanonicalLocales(name)[0] ?? name
  } catch {
    return name
  }
}

/** Chinese told apart by the characters of its text, whatever the detector said: zh-Hans, zh-Hant, or zh. */
export function withChineseScript(tag: string, text: string): string {
  if (!/^zh(-Han[is]|-Hant)?$/.test(tag)) return tag
  const script = scriptOf(text)
  return script === 'Hans' || script === 'Hant' ? `zh-${script}` : tag
}
