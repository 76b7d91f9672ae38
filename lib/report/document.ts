/** A report as one HTML file that needs nothing else: what was done and the few numbers that matter, then each in detail. */
import { type Attachment, type Block, blockHtml, download } from './blocks'
import { DOCUMENT_STYLE } from './document_style'
import { escapeHtml } from './page'

export interface Document {
  title: string
  lead: string
  chapters: Chapter[]
  /** Of many chapters together, before each alone. */
  together: { title: string; blocks: Block[] }[]
  /** Everything as JSON, for the end of the page. */
  data: Attachment
  /** The last line. */
  colophon: string
}

export interface Chapter {
  /** Of its place in the page: letters, digits, hyphens. */
  id: string
  /** What it is of: `Training`. */
  kind: string
  name: string
  /** Not finished: how far it is. */
  unfinished?: string
  sentence: string
  figures: KeyFigure[]
  blocks: Block[]
}

/** One of the few numbers that matter. */
export interface KeyFigure {
  name: string
  /** As it is read: `5.91`, `1.2 M`. */
  text: string
  value: number | string
  note?: string
}

/** Nothing is fetched and nothing runs, whatever the runs brought in. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

/** HTML text. */
export function documentHtml({ title, lead, chapters, together, data, colophon }: Document): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${DOCUMENT_STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${escapeHtml(lead)}</p>
</header>
<main>
<section aria-labelledby="summary">
<h2 id="summary">Summary</h2>
<div class="cards">
${chapters.map(card).join('\n')}
</div>
</section>
${together.map(({ title: heading, blocks }) => section(heading, blocks)).join('\n')}
${chapters.map(chapterHtml).join('\n')}
</main>
<footer><p>${escapeHtml(colophon)} ${download(data, 'All numbers as JSON')}</p></footer>
</body>
</html>
`
}

const section = (title: string, blocks: readonly Block[]) =>
  `<section><h2>${escapeHtml(title)}</h2>\n${blocks.map(blockHtml).join('\n')}</section>`

const badge = ({ unfinished }: Chapter) =>
  unfinished === undefined ? '' : `<p class="badge">Not finished: ${escapeHtml(unfinished)}</p>`

function card(chapter: Chapter): string {
  const { id, kind, name, sentence, figures } = chapter
  const shown = figures.map(
    (figure) =>
      `<div><dt>${escapeHtml(figure.name)}</dt><dd>${escapeHtml(figure.text)}${note(figure)}</dd></div>`,
  )
  return `<article class="card"><p class="kind">${escapeHtml(kind)}</p>
<h3><a href="#${id}">${escapeHtml(name)}</a></h3>
${badge(chapter)}<p dir="auto">${escapeHtml(sentence)}</p>
${shown.length > 0 ? `<dl>${shown.join('')}</dl>` : ''}</article>`
}

const note = ({ note: words }: KeyFigure) =>
  words === undefined ? '' : ` <small>${escapeHtml(words)}</small>`

function chapterHtml(chapter: Chapter): string {
  const { id, kind, name, blocks } = chapter
  return `<section id="${id}" class="chapter" aria-label="${escapeHtml(`${kind}: ${name}`)}">
<p class="kind">${escapeHtml(kind)}</p>
<h2>${escapeHtml(name)}</h2>
${badge(chapter)}${blocks.map(blockHtml).join('\n')}
</section>`
}
