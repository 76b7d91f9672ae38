/** From data files to rows of tokens, with statistics. */
import type { DataSource, FileSource, ReplaySource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { type CacheOptions, type EncodingProgress, openCached } from '../../text/cache/cache'
import { dataCacheFolder } from '../../text/cache/place'
import type { TokenStore } from '../../text/cache/store'
import { ConversationPacking, countFitting } from '../../text/conversation_packing'
import { type ResolvedSource, resolveSource } from '../../text/documents'
import { MaskedRows, maskingOf } from '../../text/masking'
import { inTurn, interleave, numberedFrom, type Part, weighted } from '../../text/mixing'
import type { ModelText } from '../../text/model_text'
import { type ObjectiveName, objectives } from '../../text/objectives'
import { type RowSource, StreamPacking } from '../../text/packing'
import type { RecordFormat } from '../../text/record_formats'
import type { Tokens } from '../../text/tokens'
import type { SiftedSource, SourcePerplexity } from './perplexity'

/** What is in a source, counted once whatever its weight. */
export interface SourceStatistics extends SourcePerplexity {
  path: string
  /** Files that are read. */
  files: number
  formats: RecordFormat[]
  /** On the disk. */
  bytes: number
  documents: number
  characters: number
  tokens: number
  tokens_per_character: number
  /** Records that cannot be read and are left out. */
  skipped: number
  /** Whole conversations and pairs only: longer than a row, or with nothing left to learn in it. */
  truncated: number
  dropped: number
  /** Part of the tokens that are trained on; of replayed data, part of the rows. */
  share: number
  /** Of reading and encoding, when that was done. */
  mb_per_second: number
  /** Whether it was done before, and the cache has it. */
  cached: boolean
}

/** The totals are those of an epoch: by weight, without what is replayed, and without what a filter leaves out. */
export interface DataStatistics {
  sources: SourceStatistics[]
  replay?: SourceStatistics[]
  documents: number
  tokens: number
  truncated: number
  dropped: number
  skipped: number
  rows_per_epoch: number
}

export interface TrainingData {
  rows: RowSource
  statistics: DataStatistics
  /** Rows that have every document once an epoch, with what is replayed; where sources stay apart, those of each. */
  parts: RowSource[]
  /** Of the sources, by their paths, each another. */
  names: string[]
  /** Documents of all parts together: batches number them from 0. */
  documents: number
  /** Preferences: what the reference says of each document, by number. */
  reference?: Float64Array
  /** Closes the files behind the rows. */
  close(): Promise<void>
}

/** What of a config decides how data are read and packed. */
export interface DataConfig
  extends Pick<TrainConfig, 'sequence_length' | 'seed' | 'data_cache' | 'inscp' | 'dpo' | 'masked'> {
  /** How documents are read. */
  objective: ObjectiveName
}

export interface LoadOptions {
  shuffle: boolean
  /** No row has documents of two sources. */
  apart?: boolean
  signal: AbortSignal
  /** Leaves documents out of the sources, which are not those to mix in. */
  sift?: ((sources: readonly Tokens[]) => Promise<SiftedSource[]>) | undefined
  /** Older data to mix in. */
  replay?: readonly ReplaySource[] | undefined
  /** Hears of files and records that are left out, and of damaged cache entries. */
  onWarning?: ((message: string) => void) | undefined
  onProgress?: ((progress: EncodingProgress) => void) | undefined
}

/** Opens the sources, encoding what the cache does not have, and packs them. Throws ERR_DATA where nothing is to learn. */
export async function loadData(
  sources: readonly DataSource[],
  config: DataConfig,
  text: ModelText,
  options: LoadOptions,
): Promise<TrainingData> {
  const opened: Opened[] = []
  const close = async () => {
    for (const { store } of opened) await store.close()
  }
  try {
    for (const source of [...sources, ...(options.replay ?? [])])
      opened.push(await openSource(source, config, text, options))
    const main = opened.slice(0, sources.length)
    await sift(main, options)
    const parts = sources.map(({ weight }, i) => ({ tokens: main[i]!.tokens, weight }))
    const tokens = await weighted(parts, config.seed, together(config))
    const fresh = options.apart
      ? await packedApart(parts, config, options)
      : [await packed(tokens, config, options)]
    const replayed = await replayRows(opened.slice(sources.length), tokens.count, config, options)
    const hide = hiding(config, text)
    const rows = hide(interleave(inTurn(fresh), replayed), 0)
    if (rows.rowsPerEpoch === 0) throw nothingToLearn(main.map(({ statistics }) => statistics.path))
    return {
      rows,
      statistics: summary(parts, opened, tokens, replayed, rows),
      parts: [...fresh, ...replayed.map((part) => part.rows)].map((part, i) => hide(part, i + 1)),
      names: distinct(sources.map(({ path }) => path)),
      documents: opened.slice(sources.length).reduce((sum, one) => sum + one.tokens.count, tokens.count),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

// Of an objective that learns hidden tokens: rows with tokens hidden, by `part` others in each.
function hiding(config: DataConfig, text: ModelText): (rows: RowSource, part: number) => RowSource {
  if (objectives[config.objective].loss !== 'masked') return (rows) => rows
  const masking = maskingOf(text, config.masked)
  return (rows, part) => new MaskedRows(rows, masking, [config.seed, part])
}

interface Opened {
  store: TokenStore
  /** What is used of it. */
  tokens: Tokens
  statistics: Omit<SourceStatistics, 'share'>
}

async function sift(opened: readonly Opened[], options: LoadOptions): Promise<void> {
  const sifted = (await options.sift?.(opened.map(({ store }) => store))) ?? []
  for (const [i, { tokens, statistics }] of sifted.entries()) {
    opened[i]!.tokens = tokens
    Object.assign(opened[i]!.statistics, statistics)
  }
}

async function openSource(
  source: FileSource,
  config: DataConfig,
  text: ModelText,
  { signal, onWarning, onProgress }: LoadOptions,
): Promise<Opened> {
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

const isWhole = ({ objective }: DataConfig) => objectives[objective].packing !== 'stream'

/** Neighbouring documents that are never parted. */
const together = ({ objective }: DataConfig) => (objectives[objective].packing === 'pairs' ? 2 : 1)

const fitting = async (tokens: Tokens, config: DataConfig) =>
  isWhole(config)
    ? countFitting(tokens, config.sequence_length, together(config))
    : { truncated: 0, dropped: 0 }

function packed(
  tokens: Tokens,
  config: DataConfig,
  { shuffle }: LoadOptions,
): RowSource | Promise<RowSource> {
  const options = { rowLength: config.sequence_length, seed: shuffle ? config.seed : undefined }
  return isWhole(config)
    ? ConversationPacking.of(tokens, { ...options, together: together(config) })
    : new StreamPacking(tokens, options)
}

async function packedApart(
  parts: readonly Part[],
  config: DataConfig,
  options: LoadOptions,
): Promise<RowSource[]> {
  let first = 0
  const rows: RowSource[] = []
  for (const part of parts) {
    const tokens = await weighted([part], config.seed, together(config))
    rows.push(numberedFrom(first, await packed(tokens, config, options)))
    first += tokens.count
  }
  return rows
}

/** The second of two equal names becomes `NAME (2)`. */
function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1
    seen.set(name, times)
    return times === 1 ? name : `${name} (${times})`
  })
}

async function replayRows(
  opened: readonly Opened[],
  firstDocument: number,
  config: DataConfig,
  options: LoadOptions,
) {
  let first = firstDocument
  const replayed: { rows: RowSource; share: number }[] = []
  for (const [i, { tokens, statistics }] of opened.entries()) {
    const rows = numberedFrom(first, await packed(tokens, config, options))
    first += tokens.count
    if (rows.rowsPerEpoch === 0) throw nothingToLearn([statistics.path])
    replayed.push({ rows, share: options.replay![i]!.share })
  }
  return replayed
}

function summary(
  parts: readonly { tokens: Tokens; weight: number }[],
  opened: readonly Opened[],
  tokens: Tokens,
  replayed: readonly { share: number }[],
  rows: RowSource,
): DataStatistics {
  const rest = 1 - replayed.reduce((sum, { share }) => sum + share, 0)
  const all = opened.map(({ statistics }, i): SourceStatistics => {
    const part = parts[i]
    const share = part
      ? (rest * part.weight * part.tokens.total) / Math.max(tokens.total, 1)
      : replayed[i - parts.length]!.share
    return { ...statistics, share }
  })
  const sources = all.slice(0, parts.length)
  const sum = (key: 'truncated' | 'dropped' | 'skipped') =>
    sources.reduce((total, source) => total + source[key], 0)
  return {
    sources,
    ...(replayed.length > 0 && { replay: all.slice(parts.length) }),
    documents: tokens.count,
    tokens: tokens.total,
    truncated: sum('truncated'),
    dropped: sum('dropped'),
    skipped: sum('skipped'),
    rows_per_epoch: rows.rowsPerEpoch,
  }
}

/** Names that a warning shows. */
const NAMED = 5

function warn(
  { path, ignored }: ResolvedSource,
  { skipped, records, problems }: { skipped: number; records: number; problems: readonly string[] },
  onWarning: LoadOptions['onWarning'],
): void {
  if (ignored.length > 0) {
    const more = ignored.length > NAMED ? `, and ${ignored.length - NAMED} more` : ''
    onWarning?.(`${path}: files of other kinds are left out: ${ignored.slice(0, NAMED).join(', ')}${more}`)
  }
  if (skipped > 0)
    onWarning?.(`${path}: ${skipped} of ${records} records are left out; the first: ${problems.join('; ')}`)
}

function nothingToLearn(paths: readonly string[]): TongueforgeError {
  return new TongueforgeError(
    'ERR_DATA',
    `${paths.join(', ')}: expected something to learn from, found no target token`,
    {
      hint: 'Are the files empty, or is every conversation longer than sequence_length before its first answer?',
      details: { files: paths },
    },
  )
}
