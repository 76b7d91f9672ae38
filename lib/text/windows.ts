/** Rows in which every token of every document is predicted once, whatever stands beside it. */
import { ConversationPacking } from './conversation_packing'
import { renumbered } from './mixing'
import type { RowSource } from './packing'
import { inSteps } from './pause'
import { NO_TARGET, type Tokens } from './tokens'

/**
 * Documents are whole where they fit into a row; longer ones are cut where a row would end, each part repeating the
 * last token of the one before it. Which tokens a prediction sees depends on its document and the row's length alone.
 * The order of the rows has no seed; batches number documents as the source does.
 */
export async function windowRows(tokens: Tokens, rowLength: number): Promise<RowSource> {
  const windows = await Windows.of(tokens, rowLength)
  const rows = await ConversationPacking.of(windows, { rowLength })
  return renumbered(rows, (window) => windows.documentOf(window))
}

/** The parts of documents, as documents. */
class Windows implements Tokens {
  readonly count: number
  readonly total: number
  private readonly step: number

  private constructor(
    private readonly tokens: Tokens,
    private readonly size: number,
    /** Of each window its document. */
    private readonly documents: Uint32Array,
    /** Of each document its first window. */
    private readonly firsts: Uint32Array,
  ) {
    this.step = size - 1
    this.count = documents.length
    this.total = tokens.total + documents.length - firsts.length
  }

  static async of(tokens: Tokens, size: number): Promise<Windows> {
    const firsts = new Uint32Array(tokens.count)
    const parts = (document: number) => Math.max(1, Math.ceil((tokens.length(document) - 1) / (size - 1)))
    let count = 0
    await inSteps(tokens.count, (from, to) => {
      for (let document = from; document < to; document++) {
        firsts[document] = count
        count += parts(document)
      }
    })
    const documents = new Uint32Array(count)
    await inSteps(tokens.count, (from, to) => {
      for (let document = from; document < to; document++)
        documents.fill(document, firsts[document]!, firsts[document]! + parts(document))
    })
    return new Windows(tokens, size, documents, firsts)
  }

  documentOf(window: number): number {
    return this.documents[window]!
  }

  length(window: number): number {
    return Math.min(this.size, this.tokens.length(this.documents[window]!) - this.start(window))
  }

  firstTarget(window: number): number {
    return this.length(window) > 1 ? 1 : NO_TARGET
  }

  read(window: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void> {
    return this.tokens.read(this.documents[window]!, this.start(window) + from, ids, labels)
  }

  private start(window: number): number {
    return (window - this.firsts[this.documents[window]!]!) * this.step
  }
}
