import { IGNORE } from './conversation'

/** A text or conversation as ids. */
export interface TokenDocument {
  ids: Int32Array
  /** Per token: itself where it is to be learnt, IGNORE elsewhere. Absent: all are. */
  labels?: Int32Array
}

/** Documents as ids, wherever they lie: in memory, in the cache on disk, or several times over. */
export interface Tokens {
  /** Number of documents. */
  readonly count: number
  /** Tokens of all documents together. */
  readonly total: number
  length(document: number): number
  /** Place of the first token that is to be learnt from those before it, so from 1; NO_TARGET if there is none. */
  firstTarget(document: number): number
  /** Copies tokens of a document, from place `from` on, into two arrays of one length. */
  read(document: number, from: number, ids: Int32Array, labels: Int32Array): Promise<void>
}

export const NO_TARGET = 2 ** 32 - 1

/** The first target of a document. */
export function firstTargetOf({ ids, labels }: TokenDocument): number {
  if (!labels) return ids.length > 1 ? 1 : NO_TARGET
  for (let i = 1; i < labels.length; i++) if (labels[i] !== IGNORE) return i
  return NO_TARGET
}

/** Documents in memory. */
export function memoryTokens(documents: readonly TokenDocument[]): Tokens {
  return {
    count: documents.length,
    total: documents.reduce((sum, { ids }) => sum + ids.length, 0),
    length: (document) => documents[document]!.ids.length,
    firstTarget: (document) => firstTargetOf(documents[document]!),
    async read(document, from, ids, labels) {
      const { ids: all, labels: marked = all } = documents[document]!
      ids.set(all.subarray(from, from + ids.length))
      labels.set(marked.subarray(from, from + ids.length))
    },
  }
}
