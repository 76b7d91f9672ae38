/** Numbers as people read them on the page. */

/** Three digits. */
export const three = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 })

export const inUnits = (value: number | null): string => (value === null ? '-' : si(value))

export const milliseconds = (seconds: number | null): string =>
  seconds === null ? '-' : three(1000 * seconds)

const UNITS = ['', ' k', ' M', ' G', ' T', ' P', ' E']

/** `1.23 M`. */
export function si(value: number): string {
  if (value < 0) return `-${si(-value)}`
  if (!(value >= 1)) return three(Math.abs(value))
  const last = UNITS.length - 1
  const step = Math.min(last, Math.floor(Math.log10(value) / 3))
  const digits = (value / 1000 ** step).toPrecision(3)
  // 999,999 is a thousand thousands with three digits.
  if (Number(digits) < 1000) return `${digits}${UNITS[step]}`
  return step < last ? `1.00${UNITS[step + 1]}` : `${three(Number(digits))}${UNITS[last]}`
}
