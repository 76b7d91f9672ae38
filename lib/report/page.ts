/** One HTML file that needs nothing else: text, tables, charts. */

export interface Column<Row> {
  key: keyof Row & string
  title: string
  format: (value: never) => string
  /** Left-aligned, and broken into lines. */
  prose?: boolean
  /** Left-aligned. */
  words?: boolean
}

export interface Section {
  title: string
  /** Already HTML: made by `paragraph`, `table`, `figure`. */
  body: string
}

const STYLE = `
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2330; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.lead { color: #566074; margin-top: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .7rem; text-align: right; border-bottom: 1px solid #e3e7ee; white-space: nowrap }
th { font-weight: 600; border-bottom: 2px solid #b9c2d0; vertical-align: bottom }
th:first-child, td:first-child { text-align: left }
td.prose, th.prose { text-align: left; white-space: normal }
tr:hover td { background: #f5f7fa }
figure { margin: 1rem 0 } figure svg { max-width: 100%; height: auto }
code { background: #f1f3f7; padding: .1em .3em; border-radius: 3px }`

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}

export const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`

export const figure = (svg: string): string => `<figure>${svg}</figure>`

export interface TableOptions<Row> {
  /** Above the table; the first cell of each row is then its head. */
  caption?: string
  /** Whether a cell stands out. */
  strong?: (row: Row, key: keyof Row & string) => boolean
}

/** May break behind an underscore, for a narrow page. */
const heading = (title: string) => escapeHtml(title).replaceAll('_', '_<wbr>')

/** Rows as a table; cells are escaped. */
export function table<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { caption, strong }: TableOptions<Row> = {},
): string {
  const open = (tag: string, { prose, words }: Column<Row>) =>
    prose || words ? `<${tag} class="${prose ? 'prose' : 'words'}">` : `<${tag}>`
  const headTag = caption === undefined ? 'th' : 'th scope="col"'
  const head = columns.map((column) => `${open(headTag, column)}${heading(column.title)}</th>`).join('')
  const cell = (row: Row, column: Column<Row>, i: number) => {
    const tag = caption !== undefined && i === 0 ? 'th' : 'td'
    const text = escapeHtml(column.format(row[column.key] as never))
    const content = strong?.(row, column.key) ? `<strong>${text}</strong>` : text
    return `${open(tag === 'th' ? 'th scope="row"' : 'td', column)}${content}</${tag}>`
  }
  const body = rows.map((row) => `<tr>${columns.map((column, i) => cell(row, column, i)).join('')}</tr>`)
  const above = caption === undefined ? '' : `<caption>${escapeHtml(caption)}</caption>`
  // Whoever has no pointer scrolls with keys.
  const reach = caption === undefined ? '' : ` tabindex="0" role="region" aria-label="${escapeHtml(caption)}"`
  return `<div class="scroll"${reach}><table>${above}<thead><tr>${head}</tr></thead><tbody>\n${body.join('\n')}\n</tbody></table></div>`
}

/** The whole file; `style` is put after the page's own. */
export function page(title: string, lead: string, sections: readonly Section[], style = ''): string {
  const parts = sections.map(({ title: heading, body }) => `<h2>${escapeHtml(heading)}</h2>\n${body}`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(lead)}</p>
${parts.join('\n')}
</body>
</html>
`
}
