/** Texts with names in braces, as Python's `str.format` fills them: `{question}`; `{{` and `}}` are braces. */
import { TongueforgeError } from '../../errors'

/** A piece of plain text, or the name of what stands there. */
type Piece = string | { field: string }

export class FormatText {
  readonly fields: ReadonlySet<string>
  readonly #pieces: readonly Piece[]

  /** `place` is what errors call it. Throws ERR_DATA for a brace that names nothing. */
  constructor(text: string, place: string) {
    this.#pieces = piecesOf(text, place)
    this.fields = new Set(this.#pieces.flatMap((piece) => (typeof piece === 'string' ? [] : [piece.field])))
  }

  /** What is filled in stays as it is, braces and all. All fields have to be there. */
  fill(values: Readonly<Record<string, string>>): string {
    return this.#pieces.map((piece) => (typeof piece === 'string' ? piece : values[piece.field]!)).join('')
  }
}

function piecesOf(text: string, place: string): Piece[] {
  return text.split(/(\{\{|\}\}|\{\w+\}|[{}])/).map((piece, i): Piece => {
    if (i % 2 === 0) return piece
    if (piece === '{{' || piece === '}}') return piece[0]!
    if (piece.length > 1) return { field: piece.slice(1, -1) }
    throw new TongueforgeError(
      'ERR_DATA',
      `${place}: expected names in braces, as {question}, received a lone ${piece}`,
      { hint: 'Write {{ or }} for a brace.', details: { place } },
    )
  })
}
