/** What a config may not have, whatever its schema: it is looked for before and after the library has made a tree of the text. */
import type { Document, LineCounter, Pair, YAMLMap } from 'yaml'

type Yaml = typeof import('yaml')

/** Lexical parts: some 6,000 keys with their values. The library takes 15 microseconds for each of those. */
const MAX_PARTS = 2 ** 15
/** Lists and tables within each other on one line, where the library nests its calls. */
const MAX_DEPTH = 64

/** Looks through the words of a text, which is cheap. Gives what is wrong and the place, or nothing. */
export function lexicalProblem({ Lexer, CST, LineCounter }: Yaml, text: string): string | undefined {
  let [parts, offset, depth, inRow] = [0, 0, 0, 0]
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (const part of new Lexer().lex(text)) {
    const at = offset
    const kind = CST.tokenType(part)
    if (!MARKS.has(part)) offset += part.length
    if (part === '\n' || part === '\r\n') lines.addNewLine(offset)
    if (++parts > MAX_PARTS) return `expected at most ${MAX_PARTS} words, received more ${place(lines, at)}`
    if (kind === 'flow-map-start' || kind === 'flow-seq-start') depth++
    if (kind === 'flow-map-end' || kind === 'flow-seq-end') depth--
    inRow = ROWS.has(kind as string) ? inRow + 1 : kind === 'space' ? inRow : 0
    if (depth > MAX_DEPTH || inRow > MAX_DEPTH)
      return `expected at most ${MAX_DEPTH} levels of nesting, received more ${place(lines, at)}`
    if (kind === 'directive-line')
      return `directives (${part.trim().slice(0, 40)}) are not allowed ${place(lines, at)}`
    if (kind === 'alias')
      return `aliases (${part.slice(0, 40)}) are not allowed: write the value out ${place(lines, at)}`
  }
  return undefined
}

/** Signs that the lexer puts between the words: of a document, of the end of a flow, of a scalar. */
const MARKS = new Set(['\u0002', '\u0018', '\u001f'])
/** What may be repeated without a value, and is nested each time or looked at again. */
const ROWS = new Set(['seq-item-ind', 'explicit-key-ind', 'anchor', 'tag'])

/** Keys that stand twice, for which the library takes the square of their number; and `<<`. */
export function keyProblem({ visit, isScalar }: Yaml, document: Document.Parsed, lines: LineCounter) {
  let problem: string | undefined
  visit(document, {
    Map(_, { items }: YAMLMap<unknown, unknown>) {
      const keys = new Set<unknown>()
      for (const { key } of items as Pair<{ value?: unknown; type?: string; range?: [number] } | null>[]) {
        const value = isScalar(key) ? key.value : key
        const at = place(lines, key?.range?.[0] ?? 0)
        const plain = isScalar(key) && key.type === 'PLAIN'
        if (plain && value === '<<') problem = `merge keys (<<) are not allowed: write the values out ${at}`
        else if (keys.has(value)) problem = `not YAML: Map keys must be unique ${at}`
        if (problem !== undefined) return visit.BREAK
        keys.add(value)
      }
    },
  })
  return problem
}

function place(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `at line ${line}, column ${col}`
}
