/** The rows of a batch as a human reads them: which words are learnt, and where a document begins. */
import { IGNORE } from './conversation'
import { PADDING, type PackedBatch } from './packing'
import { type PieceDecoder, StreamDecoder } from './stream_decoder'

/** Neighbouring tokens that are all learnt, or all only read. */
export interface ShownPiece {
  /** Special tokens included. */
  text: string
  trained: boolean
}

export interface ShownDocument {
  pieces: ShownPiece[]
  tokens: number
  /** Tokens that are targets of the loss; the first of a document in a row never is. */
  trained: number
}

export interface ShownRow {
  documents: ShownDocument[]
  /** Places without a token. */
  padding: number
}

/** Decodes a batch with its loss mask. The pieces of a document together are its text, or the part in this row. */
export function describeBatch(batch: PackedBatch, tokenizer: PieceDecoder): ShownRow[] {
  return Array.from({ length: batch.rows }, (_, row) => {
    const first = row * batch.row_length
    const documents: ShownDocument[] = []
    let place = first
    while (place < first + batch.row_length && batch.segments[place] !== PADDING) {
      const end = endOfSegment(batch, place, first + batch.row_length)
      documents.push(describeDocument(batch, place, end, tokenizer))
      place = end
    }
    return { documents, padding: first + batch.row_length - place }
  })
}

function endOfSegment({ segments }: PackedBatch, start: number, limit: number): number {
  let end = start + 1
  while (end < limit && segments[end] === segments[start]) end++
  return end
}

function describeDocument(
  { ids, labels }: PackedBatch,
  start: number,
  end: number,
  tokenizer: PieceDecoder,
): ShownDocument {
  const stream = new StreamDecoder(tokenizer, { skipSpecialTokens: false })
  const pieces: ShownPiece[] = []
  let learnt = 0
  for (let place = start; place < end; place++) {
    const trained = labels[place] !== IGNORE
    if (trained) learnt++
    // A character that spans several tokens shows in the piece of its last one.
    const text = stream.push(ids[place]!) + (place === end - 1 ? stream.flush() : '')
    const last = pieces.at(-1)
    if (last?.trained === trained) last.text += text
    else pieces.push({ text, trained })
  }
  return { pieces, tokens: end - start, trained: learnt }
}
