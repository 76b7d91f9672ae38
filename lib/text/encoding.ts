/** From a source to ids, streaming: read, encoded several slices at once, and given out in order. */
import { charactersIn } from './characters'
import { type Document, type ReadOptions, type ResolvedSource, readDocuments } from './documents'
import { inFlight } from './in_flight'
import type { ModelText } from './model_text'
import { type ObjectiveOptions, objectives } from './objectives'
import type { TokenDocument } from './tokens'

/** What decides, besides the text, which ids come out. */
export interface Encoding {
  objective: keyof typeof objectives
  options: ObjectiveOptions
  text: ModelText
}

/** Documents that are encoded together: so many characters keep the event loop free when their ids come back. */
const SLICE_CHARACTERS = 32 * 1024
const SLICE_DOCUMENTS = 256
/** Enough that threads encode while ids are taken over. */
const SLICES_IN_FLIGHT = 4

export interface EncodedSlice {
  documents: TokenDocument[]
  /** Records that were read for it, those left out included. */
  records: number
  /** Unicode characters of the texts. */
  characters: number
}

/** Encodes a source. `onInvalid` hears of records that are left out; without it the first such record throws. */
export async function* encodeSource(
  source: ResolvedSource,
  { objective, options, text }: Encoding,
  { onInvalid, signal }: ReadOptions,
): AsyncGenerator<EncodedSlice> {
  const { encode } = objectives[objective]
  let unread = 0
  const onUnread =
    onInvalid &&
    ((error: Error) => {
      unread++
      onInvalid(error)
    })
  const read = slices(readDocuments(source, { onInvalid: onUnread, signal }))
  for await (const slice of inFlight(read, SLICES_IN_FLIGHT, async (documents) => {
    signal?.throwIfAborted()
    return {
      documents: await encode(documents, text, { ...options, onInvalid }),
      records: documents.length,
      characters: documents.reduce((sum, document) => sum + charactersOf(document), 0),
    }
  })) {
    yield { ...slice, records: slice.records + unread }
    unread = 0
  }
  if (unread > 0) yield { documents: [], records: unread, characters: 0 }
}

async function* slices(documents: AsyncIterable<Document>): AsyncGenerator<Document[]> {
  let slice: Document[] = []
  let size = 0
  for await (const document of documents) {
    const length = textsOf(document).reduce((sum, text) => sum + text.length, 0)
    if (slice.length > 0 && (size + length > SLICE_CHARACTERS || slice.length === SLICE_DOCUMENTS)) {
      yield slice
      slice = []
      size = 0
    }
    slice.push(document)
    size += length
  }
  if (slice.length > 0) yield slice
}

/** The texts of a document: itself, or its turns. */
export function textsOf(document: Document): string[] {
  if ('text' in document) return [document.text]
  const turns =
    'messages' in document
      ? document.messages
      : [...document.prompt, ...document.chosen, ...document.rejected]
  return turns.map(({ content }) => content)
}

const charactersOf = (document: Document) =>
  textsOf(document).reduce((sum, text) => sum + charactersIn(text), 0)
