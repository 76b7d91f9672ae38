/** Numbers and paths as a report says them. */
import { basename } from 'node:path'
import type { KeyFigure } from '../../report/document'
import { UNDETERMINED } from '../../text/language/tag'
import { si, three } from '../landscaping/number_text'

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Of losses and perplexities: three digits, and more where they are large. */
export const fixed = (value: number): string =>
  Math.abs(value) >= 100 || value === 0 ? three(value) : value.toPrecision(4)

export const signed = (value: number): string => `${value < 0 ? '−' : '+'}${three(Math.abs(value))}`

/** `3 models`, `1 model`. */
export const count = (number: number, word: string): string =>
  `${number.toLocaleString('en')} ${word}${number === 1 ? '' : 's'}`

export const bytesText = (bytes: number): string => `${si(bytes)}B`

export function durationText(seconds: number): string {
  if (seconds < 60) return `${three(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Names of paths, told apart by what is above them where they are alike. */
export function namesOf(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split(/[\\/]/).filter((part) => part !== '' && part !== '.'))
  const name = (i: number, length: number) => parts[i]!.slice(-length).join('/') || '.'
  return paths.map((_, i) => {
    let length = 1
    const alike = () =>
      parts.some((other, j) => j !== i && other.length >= length && name(j, length) === name(i, length))
    while (length < parts[i]!.length && alike()) length++
    return name(i, length)
  })
}

/** Of a BCP 47 tag: `Chinese (Traditional) (zh-Hant)`. */
export function languageName(tag: string): string {
  if (tag === UNDETERMINED) return 'a language without a name'
  const name = new Intl.DisplayNames(['en'], { type: 'language', languageDisplay: 'standard' }).of(tag)
  return name === undefined || name === tag ? tag : `${name} (${tag})`
}

/** `model` of a run folder is called as the run. */
export function modelName(path: unknown): string {
  if (typeof path !== 'string') return 'a new model'
  const name = basename(path)
  return name === 'model' ? basename(path.slice(0, -'/model'.length)) || name : name
}

export const figureOf = (
  name: string,
  value: number | null | undefined,
  text: (value: number) => string,
  note?: string,
): KeyFigure[] =>
  value === null || value === undefined
    ? []
    : [{ name, value, text: text(value), ...(note !== undefined && { note }) }]
