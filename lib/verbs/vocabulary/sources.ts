/** The data of a vocabulary: as they are given, the files behind them, and what is recorded of these. */
import { type InputRecord, recordInput } from '../../checkpoint/provenance'
import { resolveSource, type Source } from '../../text/documents'

export type Sources = string | Source | readonly (string | Source)[]

export function listOf(given: Sources): Source[] {
  const list = [given].flat() as (string | Source)[]
  return list.map((source) => (typeof source === 'string' ? { path: source } : source))
}

/** Paths of the files that sources are made of. Throws ERR_NOT_FOUND, ERR_DATA. */
export async function filesOf(sources: readonly Source[] = []): Promise<string[]> {
  const resolved = await Promise.all(sources.map(resolveSource))
  return resolved.flatMap(({ files }) => files.map(({ path }) => path))
}

/** `files`: paths by what they are for. */
export async function recordFiles(
  files: Readonly<Record<string, readonly string[]>>,
  signal: AbortSignal | undefined,
): Promise<InputRecord[]> {
  const records: InputRecord[] = []
  for (const [role, paths] of Object.entries(files))
    for (const path of paths) records.push(await recordInput(role, path, [], signal))
  return records
}
