/** What is said when in an utterance, as a recogniser or a person has marked it. */
import { extname } from 'node:path'
import { readJsonObject, readTextFile } from '../checkpoint/json_file'
import { TongueforgeError } from '../errors'
import { dataError } from '../text/lines'

/** Seconds; the end is not part of it. */
export interface Segment {
  begin: number
  end: number
  label: string
}

const READERS: Readonly<Record<string, (file: string) => Promise<Segment[]>>> = {
  '.json': readTree,
  '.tsv': readTable,
}

/** Overlaps up to this are roundings of what made the file. */
const SLACK_SECONDS = 1e-3
const MAX_BYTES = 1 << 26

/**
 * Segments in their order, none within another; between them may be gaps. A .tsv has a segment a line: begin, end, label; a
 * .json is a tree of {b, d, t, w} (begin, duration, what, parts), of which the leaves count. Throws ERR_NOT_FOUND, ERR_DATA.
 */
export async function readAlignment(file: string): Promise<Segment[]> {
  const read = READERS[extname(file).toLowerCase()]
  if (!read)
    throw new TongueforgeError('ERR_DATA', `${file}: expected an alignment in .tsv or .json`, {
      hint: 'A .tsv has a segment a line: begin, end (seconds) and label, with tabs between them.',
      details: { file },
    })
  const segments = (await read(file)).sort((a, b) => a.begin - b.begin)
  for (const [i, { begin, label }] of segments.entries()) {
    const before = segments[i - 1]
    if (before && before.end > begin + SLACK_SECONDS)
      throw new TongueforgeError(
        'ERR_DATA',
        `${file}: expected segments that do not overlap, received ${before.label} to ${before.end} s and ${label} from ${begin} s`,
        { hint: 'A place has one label. Mend the file.', details: { file } },
      )
  }
  return segments
}

/** The label at an instant, if there is one. */
export function labelAt(segments: readonly Segment[], second: number): string | undefined {
  let [low, high] = [0, segments.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (segments[middle]!.end <= second) low = middle + 1
    else high = middle
  }
  const found = segments[low]
  return found && found.begin <= second ? found.label : undefined
}

const HEAD = /^begin\tend\tlabel$/i

async function readTable(file: string): Promise<Segment[]> {
  const text = await readTextFile(file, { code: 'ERR_DATA', maxBytes: MAX_BYTES })
  return text.split(/\r?\n/).flatMap((row, i) => {
    if (row.trim() === '' || (i === 0 && HEAD.test(row))) return []
    const [begin, end, label, ...rest] = row.split('\t')
    const times = [begin, end].map((cell) => (cell?.trim() ? Number(cell) : Number.NaN))
    const segment = { begin: times[0]!, end: times[1]!, label: label?.trim() ?? '' }
    if (rest.length === 0 && isSegment(segment)) return [segment]
    throw dataError(
      file,
      i + 1,
      `expected begin, end (seconds, the later one behind) and label with tabs between them, received ${JSON.stringify(row)}`,
      'Mend the line.',
    )
  })
}

const isSegment = ({ begin, end, label }: Segment) => begin >= 0 && end > begin && label !== ''

interface Node {
  b?: unknown
  d?: unknown
  t?: unknown
  w?: unknown
}

async function readTree(file: string): Promise<Segment[]> {
  const root = await readJsonObject(file, { code: 'ERR_DATA', maxBytes: MAX_BYTES })
  const segments: Segment[] = []
  const walk = (node: Node, place: string) => {
    if (Array.isArray(node?.w) && node.w.length > 0) {
      for (const [i, part] of node.w.entries()) walk(part, `${place ? `${place}.` : ''}w.${i}`)
      return
    }
    const [begin, length] = [Number(node?.b), Number(node?.d)]
    const segment = { begin, end: begin + length, label: String(node?.t ?? '') }
    if (!isSegment(segment)) throw malformed(file, place, node)
    segments.push(segment)
  }
  walk(root, '')
  return segments
}

const malformed = (file: string, place: string, node: Node) =>
  new TongueforgeError(
    'ERR_DATA',
    `${file}: ${place || '(top level)'}: expected {b, d, t}: begin, a duration above 0 and a label, received ${JSON.stringify(node)?.slice(0, 80)}`,
    { hint: 'Mend the file, or write it as .tsv: begin, end, label.', details: { file } },
  )
