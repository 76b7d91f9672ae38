/** One source of data: its files as tokens, from the cache where they are in it, and what is in them. */
import type { FileSource } from '../../config/data'
import { type CacheOptions, type EncodingProgress, openCached } from '../../text/cache/cache'
import { dataCacheFolder } from '../../text/cache/place'
import type { TokenStore } from '../../text/cache/store'
import { type ResolvedSource, resolveSource } from '../../text/documents'
import type { ModelText } from '../../text/model_text'
import { objectives } from '../../text/objectives'
import type { Tokens } from '../../text/tokens'
import { type DataConfig, fitting } from './data_rows'
import type { SourceStatistics } from './data_statistics'

export interface OpenOptions {
  signal: AbortSignal
  /** Hears of files and records that are left out, and of damaged cache entries. */
  onWarning?: ((message: string) => void) | undefined
  onProgress?: ((progress: EncodingProgress) => void) | undefined
}

export interface OpenedSource {
  store: TokenStore
  /** What is used of it. */
  tokens: Tokens
  statistics: Omit<SourceStatistics, 'share'>
}

/** Opens a source, encoding what the cache does not have. The store is to be closed. */
export async function openSource(
  source: FileSource,
  config: DataConfig,
  text: ModelText,
  { signal, onWarning, onProgress }: OpenOptions,
): Promise<OpenedSource> {
  const { invalid, max_invalid: maxInvalid } = source
  const resolved = await resolveSource(source)
  const encoding = { objective: config.objective, options: encodingOptions(config), text }
  const cache: CacheOptions = {
    cache: dataCacheFolder(config.data_cache),
    invalid,
    maxInvalid,
    signal,
    onWarning,
    onProgress,
  }
  const { tokens, manifest, cached } = await openCached(resolved, encoding, cache)
  warn(resolved, manifest, onWarning)
  const { documents, characters, skipped, bytes, seconds } = manifest
  const statistics = {
    path: resolved.path,
    files: resolved.files.length,
    formats: [...new Set(resolved.files.map(({ format }) => format))],
    bytes,
    documents,
    characters,
    tokens: tokens.total,
    tokens_per_character: tokens.total / Math.max(characters, 1),
    skipped,
    ...(await fitting(tokens, config)),
    mb_per_second: bytes / 1e6 / seconds,
    cached,
  }
  return { store: tokens, tokens, statistics }
}

const encodingOptions = ({
  objective,
  inscp: { loss, system, template },
  dpo,
  sequence_length,
}: DataConfig) => ({
  loss,
  system,
  template,
  maxPrompt: dpo.max_prompt,
  pieceLength: objectives[objective].loss === 'masked' ? sequence_length : undefined,
})

/** Names that a warning shows. */
const NAMED = 5

function warn(
  { path, ignored }: ResolvedSource,
  { skipped, records, problems }: { skipped: number; records: number; problems: readonly string[] },
  onWarning: OpenOptions['onWarning'],
): void {
  if (ignored.length > 0) {
    const more = ignored.length > NAMED ? `, and ${ignored.length - NAMED} more` : ''
    onWarning?.(`${path}: files of other kinds are left out: ${ignored.slice(0, NAMED).join(', ')}${more}`)
  }
  if (skipped > 0)
    onWarning?.(`${path}: ${skipped} of ${records} records are left out; the first: ${problems.join('; ')}`)
}
