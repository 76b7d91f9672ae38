// The perplexities of documents as bars of text, for a terminal or a log.
import type { PerplexityReport } from '../index'

const WIDTH = 40

/** A line a bin: its edges, a bar, the number of documents; and where a filter cuts. */
export function histogramText({ histogram, max_perplexity: most }: PerplexityReport): string {
  const largest = Math.max(...histogram.map(({ documents }) => documents))
  const names = histogram.map(({ from, to }) => `${short(from)} to ${to === null ? '...' : short(to)}`)
  const width = Math.max(...names.map((name) => name.length))
  const lines = histogram.map(({ from, to, documents }, i) => {
    const bar = '█'.repeat(Math.ceil((WIDTH * documents) / largest))
    const cut = most !== undefined && most >= from && (to === null || most < to)
    return `  ${names[i]!.padStart(width)}  ${bar} ${documents}${cut ? `  <- max_perplexity ${most}` : ''}\n`
  })
  return `perplexity, documents\n${lines.join('')}`
}

const short = (value: number) => String(Number(value.toPrecision(3)))
