/** From data files to rows of tokens, with statistics. */
import type { DataSource, ReplaySource } from '../../config/data'
import { TongueforgeError } from '../../errors'
import { MaskedRows, maskingOf } from '../../text/masking'
import { inTurn, interleave, numberedFrom, weighted } from '../../text/mixing'
import type { ModelText } from '../../text/model_text'
import { objectives } from '../../text/objectives'
import type { RowSource } from '../../text/packing'
import type { Tokens } from '../../text/tokens'
import { type DataConfig, packed, packedApart, together } from './data_rows'
import { type OpenedSource, type OpenOptions, openSource } from './data_source'
import { type DataStatistics, summary } from './data_statistics'
import type { SiftedSource } from './perplexity'

export interface TrainingData {
  rows: RowSource
  statistics: DataStatistics
  /** Rows that have every document once an epoch, with what is replayed; where sources stay apart, those of each. */
  parts: RowSource[]
  /** Of the sources, by their paths, each another. */
  names: string[]
  /** Documents of all parts together: batches number them from 0. */
  documents: number
  /** Of sound: the file of a document, by its number. */
  nameOf?: (document: number) => string
  /** Preferences: what the reference says of each document, by number. */
  reference?: Float64Array
  /** Closes the files behind the rows. */
  close(): Promise<void>
}

export interface LoadOptions extends OpenOptions {
  shuffle: boolean
  /** No row has documents of two sources. */
  apart?: boolean
  /** Leaves documents out of the sources, which are not those to mix in. */
  sift?: ((sources: readonly Tokens[]) => Promise<SiftedSource[]>) | undefined
  /** Older data to mix in. */
  replay?: readonly ReplaySource[] | undefined
}

/** Opens the sources, encoding what the cache does not have, and packs them. Throws ERR_DATA where nothing is to learn. */
export async function loadData(
  sources: readonly DataSource[],
  config: DataConfig,
  text: ModelText,
  options: LoadOptions,
): Promise<TrainingData> {
  const opened: OpenedSource[] = []
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
    if (rows.rowsPerEpoch === 0) throw noTargets(main.map(({ statistics }) => statistics.path))
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

async function sift(opened: readonly OpenedSource[], options: LoadOptions): Promise<void> {
  const sifted = (await options.sift?.(opened.map(({ store }) => store))) ?? []
  for (const [i, { tokens, statistics }] of sifted.entries()) {
    opened[i]!.tokens = tokens
    Object.assign(opened[i]!.statistics, statistics)
  }
}

/** The second of two equal names becomes `NAME (2)`. */
export function distinct(names: readonly string[]): string[] {
  const seen = new Map<string, number>()
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1
    seen.set(name, times)
    return times === 1 ? name : `${name} (${times})`
  })
}

async function replayRows(
  opened: readonly OpenedSource[],
  firstDocument: number,
  config: DataConfig,
  options: LoadOptions,
) {
  let first = firstDocument
  const replayed: { rows: RowSource; share: number }[] = []
  for (const [i, { tokens, statistics }] of opened.entries()) {
    const rows = numberedFrom(first, await packed(tokens, config, options))
    first += tokens.count
    if (rows.rowsPerEpoch === 0) throw noTargets([statistics.path])
    replayed.push({ rows, share: options.replay![i]!.share })
  }
  return replayed
}

function noTargets(paths: readonly string[]): TongueforgeError {
  return new TongueforgeError(
    'ERR_DATA',
    `${paths.join(', ')}: expected text to learn from or to be measured on, found no target token`,
    {
      hint: 'Are the files empty, or is every conversation longer than sequence_length before its first answer?',
      details: { files: paths },
    },
  )
}
