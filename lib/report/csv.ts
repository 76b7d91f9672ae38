/** Rows as a table for other programs. */

export type Cell = string | number | boolean | null

/** RFC 4180, with the keys of all rows as the head. */
export function csvText(rows: readonly Record<string, Cell>[]): string {
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const lines = [keys, ...rows.map((row) => keys.map((key) => row[key] ?? ''))]
  return lines.map((line) => `${line.map(cellText).join(',')}\r\n`).join('')
}

function cellText(cell: Cell): string {
  const text = String(cell)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
