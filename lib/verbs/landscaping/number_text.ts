/** Numbers as people read them on the page. */

/** Three digits. */
export const three = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3 })

export const inUnits = (value: number | null): string => (value === null ? '-' : si(value))

export const milliseconds = (seconds: number | null): string =>
  seconds === null ? '-' : three(1000 * seconds)

/** `1.23 M`. */
export function si(value: number): string {
  if (value < 1) return three(value)
  const units = ['', ' k', ' M', ' G', ' T', ' P']
  const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  return `${(value / 1000 ** step).toPrecision(3)}${units[step]}`
}
