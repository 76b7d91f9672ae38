/** What a report is made of: charts, tables, words. Content is plain; here alone it becomes HTML, and files to take away. */
import { type Cell, csvText } from './csv'
import { type Column, escapeHtml, table } from './page'
import { standing } from './theme'

export type Block = ChartBlock | TableBlock | ProseBlock | TalkBlock | FoldedBlock | GridBlock

export interface ChartBlock {
  kind: 'chart'
  /** Of its file, without an ending: letters, digits, hyphens. */
  file: string
  caption: string
  /** SVG text, in the colours of the page. */
  svg: string
  /** The picture as a file, where it is to be another one: with a legend, say. */
  alone?: string
}

export interface TableBlock {
  kind: 'table'
  file: string
  caption: string
  columns: TableColumn[]
  rows: TableRow[]
}

export type TableRow = Record<string, Cell>

export interface TableColumn {
  key: string
  title: string
  /** Of what is shown; the file has the values. Default: as it is. */
  format?: (value: never) => string
  prose?: boolean
  /** The best cell stands out. */
  best?: 'least' | 'most'
}

export interface ProseBlock {
  kind: 'prose'
  text: string
}

/** Answers to the same prompts, side by side. */
export interface TalkBlock {
  kind: 'talk'
  file: string
  caption: string
  talks: Talk[]
}

export interface Talk {
  prompt: string
  answers: { from: string; text: string; note: string; aside?: Aside }[]
}

/** What somebody says of an answer; closed until it is asked for. */
export interface Aside {
  title: string
  text: string
}

/** Closed until it is asked for. */
export interface FoldedBlock {
  kind: 'folded'
  title: string
  blocks: Block[]
  /** Shown as it is, in letters of one width. */
  text?: string
}

/** Charts beside each other where there is room. */
export interface GridBlock {
  kind: 'grid'
  blocks: ChartBlock[]
  /** Of all of them. */
  legend?: { sign: string; colour: string; name: string }[]
}

/** A file beside the page, and behind a link in it. */
export interface Attachment {
  /** Letters, digits, hyphens and an ending. */
  name: string
  type: 'image/svg+xml' | 'text/csv' | 'application/json'
  content: string
}

const TALKS_SHOWN = 6

/** HTML. */
export function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'chart':
      return chartHtml(block)
    case 'grid':
      return `${legendHtml(block)}<div class="grid">${block.blocks.map(chartHtml).join('\n')}</div>`
    case 'table':
      return tableHtml(block)
    case 'prose':
      return `<p dir="auto">${escapeHtml(block.text)}</p>`
    case 'talk':
      return talkHtml(block)
    case 'folded': {
      const text = block.text === undefined ? '' : `<pre tabindex="0">${escapeHtml(block.text)}</pre>`
      const inner = block.blocks.map(blockHtml).join('\n')
      return `<details><summary>${escapeHtml(block.title)}</summary>\n${inner}${text}</details>`
    }
  }
}

/** All that a block offers to take away. */
export function attachmentsOf(block: Block): Attachment[] {
  switch (block.kind) {
    case 'prose':
      return []
    case 'grid':
    case 'folded':
      return block.blocks.flatMap(attachmentsOf)
    default:
      return [attachmentOf(block)]
  }
}

function attachmentOf(block: ChartBlock | TableBlock | TalkBlock): Attachment {
  if (block.kind === 'chart')
    return {
      ...{ name: `${block.file}.svg`, type: 'image/svg+xml' },
      content: `${standing(block.alone ?? block.svg)}\n`,
    }
  const rows = block.kind === 'table' ? block.rows : talkRows(block)
  return { name: `${block.file}.csv`, type: 'text/csv', content: csvText(rows.map(withoutFormulas)) }
}

/** A spreadsheet must not run what a file of somebody else calls a name. */
function withoutFormulas(row: TableRow): TableRow {
  const safe = (cell: Cell) => (typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell)
  return Object.fromEntries(Object.entries(row).map(([key, cell]) => [key, safe(cell)]))
}

const talkRows = ({ talks }: TalkBlock): TableRow[] =>
  talks.flatMap(({ prompt, answers }) =>
    answers.map(({ from, text, note, aside }) => ({
      ...{ prompt, from, text, note },
      ...(aside && { [aside.title]: aside.text }),
    })),
  )

/** The file lies in the link itself: a page that is sent on keeps it. */
export function download({ name, type, content }: Attachment, label: string): string {
  const data = Buffer.from(content, 'utf8').toString('base64')
  return `<a class="file" download="${name}" href="data:${type};base64,${data}" aria-label="Download ${name}">${label}</a>`
}

function legendHtml({ legend }: GridBlock): string {
  if (legend === undefined) return ''
  const items = legend.map(
    ({ sign, colour, name }) =>
      `<li><span style="color: ${colour}" aria-hidden="true">${sign}</span> ${escapeHtml(name)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function chartHtml(block: ChartBlock): string {
  const caption = `<figcaption>${escapeHtml(block.caption)} ${download(attachmentOf(block), 'SVG')}</figcaption>`
  return `<figure class="chart">${caption}${block.svg}</figure>`
}

function tableHtml(block: TableBlock): string {
  const columns = block.columns.map(
    ({ key, title, format, prose }): Column<TableRow> => ({
      ...{ key, title, format: (value: never) => cellText(value, format) },
      ...(prose && { prose }),
      ...(block.rows.every((row) => typeof row[key] !== 'number') && { words: true }),
    }),
  )
  const best = bestOf(block)
  const strong = (row: TableRow, key: string) => best.get(key) !== undefined && row[key] === best.get(key)
  const html = table(columns, block.rows, { caption: block.caption, strong })
  return `<div class="table">${html}<p class="take">${download(attachmentOf(block), 'CSV')}</p></div>`
}

const cellText = (value: Cell | undefined, format: TableColumn['format']) =>
  value === null || value === undefined ? '–' : format ? format(value as never) : String(value)

/** By key; nothing where there is one row, or all are alike. */
function bestOf({ columns, rows }: TableBlock): Map<string, number> {
  const best = new Map<string, number>()
  for (const { key, best: which } of columns) {
    const values = rows.map((row) => row[key]).filter((value) => typeof value === 'number')
    const [least, most] = [Math.min(...values), Math.max(...values)]
    if (which !== undefined && least < most) best.set(key, which === 'least' ? least : most)
  }
  return best
}

const asideHtml = (aside: Aside | undefined) =>
  aside === undefined
    ? ''
    : `<details><summary>${escapeHtml(aside.title)}</summary><p dir="auto">${escapeHtml(aside.text)}</p></details>`

function talkHtml(block: TalkBlock): string {
  const talk = ({ prompt, answers }: Talk) => {
    const spoken = answers.map(
      ({ from, text, note, aside }) =>
        `<div><h4>${escapeHtml(from)} <small>${escapeHtml(note)}</small></h4><p dir="auto">${escapeHtml(text)}</p>${asideHtml(aside)}</div>`,
    )
    return `<article class="talk"><p class="prompt" dir="auto">${escapeHtml(prompt)}</p><div class="answers">${spoken.join('')}</div></article>`
  }
  const more = block.talks.length - TALKS_SHOWN
  const rest = more > 0 ? `<p class="take">${more} more in the file.</p>` : ''
  return (
    `<h3>${escapeHtml(block.caption)} ${download(attachmentOf(block), 'CSV')}</h3>\n` +
    block.talks.slice(0, TALKS_SHOWN).map(talk).join('\n') +
    rest
  )
}
