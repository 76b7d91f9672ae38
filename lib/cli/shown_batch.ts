// A batch for human eyes: what is learnt stands in ⟦brackets⟧, green on a terminal, and what is only read is dimmed.
import type { ShownBatch } from '../index'

type Row = ShownBatch[number]
type Document = Row['documents'][number]

const GREEN = '\x1b[32m'
const DIM = '\x1b[2m'
const PLAIN = '\x1b[0m'

/** Rows, documents, their text with marks, padding. */
export function shownBatchText(rows: ShownBatch, { colour }: { colour: boolean }): string {
  const legend = 'What is learnt stands in ⟦brackets⟧; the rest is only read.\n'
  return legend + rows.map((row, i) => rowText(row, `row ${i + 1} of ${rows.length}`, colour)).join('')
}

function rowText({ documents, padding }: Row, name: string, colour: boolean): string {
  const sum = (key: 'tokens' | 'trained') => documents.reduce((total, document) => total + document[key], 0)
  const counts = `${counted(documents.length, 'document')}, ${counted(sum('tokens'), 'token')}, ${sum('trained')} learnt`
  return [
    `\n${name}: ${counts}, ${padding} padding\n`,
    ...documents.map((document, i) => documentText(document, `document ${i + 1}`, colour)),
    ...(padding > 0 ? [`  padding: ${counted(padding, 'place')}\n`] : []),
  ].join('')
}

function documentText(document: Document, name: string, colour: boolean): string {
  const head = `  ${name}: ${counted(document.tokens, 'token')}, ${document.trained} learnt\n`
  return (
    head +
    markedLines(document, colour)
      .map((line) => `  | ${line}\n`)
      .join('')
  )
}

/** The text cut at its line breaks, each ⏎; marks and colours never reach over one. */
function markedLines({ pieces }: Document, colour: boolean): string[] {
  const lines = ['']
  for (const { text, trained } of pieces) {
    for (const [i, part] of visible(text)
      .split(/(?<=⏎)\n/)
      .entries()) {
      if (i > 0) lines.push('')
      if (part !== '') lines[lines.length - 1] += painted(part, trained, colour)
    }
  }
  return lines
}

function painted(text: string, trained: boolean, colour: boolean): string {
  const marked = trained ? `⟦${text}⟧` : text
  return colour ? `${trained ? GREEN : DIM}${marked}${PLAIN}` : marked
}

/** Control characters as their pictures: a text must not steer the terminal that shows it. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => {
    if (control === '\n') return '⏎\n'
    const code = control.charCodeAt(0)
    return code < 32 ? String.fromCharCode(0x2400 + code) : `\\x${code.toString(16)}`
  })
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
