/** The texts of data sources one after another, to learn tokens from. */
import type { FileSource } from '../../config/data'
import { readDocuments, resolveSource } from '../documents'
import { textsOf } from '../encoding'
import { Skipped } from '../skipped'

export interface CorpusOptions {
  signal?: AbortSignal | undefined
  /** Hears of files and records that are left out. */
  onWarning?: ((message: string) => void) | undefined
}

/**
 * Plain documents as they are, of conversations and preferences each turn, streaming. Throws ERR_NOT_FOUND, ERR_IO,
 * ERR_DATA for a record that cannot be read, or for too many of them where a source says `invalid: skip`.
 */
export async function* corpusTexts(
  sources: readonly FileSource[],
  { signal, onWarning }: CorpusOptions = {},
): AsyncGenerator<string> {
  for (const source of sources) {
    const resolved = await resolveSource(source)
    if (resolved.ignored.length > 0)
      onWarning?.(`${source.path}: ${resolved.ignored.length} files of other kinds are left out`)
    const skipped = new Skipped(source.path, source.max_invalid)
    const onInvalid = source.invalid === 'skip' ? (error: Error) => skipped.add(error) : undefined
    let read = 0
    for await (const document of readDocuments(resolved, { onInvalid, signal })) {
      read++
      for (const text of textsOf(document)) if (text !== '') yield text
    }
    skipped.check(read + skipped.count)
    if (skipped.count > 0) onWarning?.(`${source.path}: ${skipped.count} records are left out`)
  }
}
