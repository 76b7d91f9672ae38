/** From data files to rows of tokens, with statistics. */
import type { DataSource } from '../../config/data'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { ConversationPacking, countFitting } from '../../text/conversation_packing'
import { type Document, type ResolvedSource, readDocuments, resolveSource } from '../../text/documents'
import type { ModelText } from '../../text/model_text'
import { objectives } from '../../text/objectives'
import { type RowSource, StreamPacking } from '../../text/packing'
import { Random } from '../../text/random'
import { memoryTokens, type TokenDocument } from '../../text/tokens'

/** Documents that are read, then encoded, before the next ones are read. */
const SLICE = 256

export interface DataStatistics {
  sources: ResolvedSource[]
  documents: number
  tokens: number
  /** Whole conversations only: longer than a row, or with nothing left to learn in it. */
  truncated: number
  dropped: number
  rows_per_epoch: number
}

export interface TrainingData {
  rows: RowSource
  statistics: DataStatistics
}

/** Reads, encodes and packs the sources. Throws ERR_DATA where nothing is left to learn from. */
export async function loadData(
  sources: readonly DataSource[],
  config: TrainConfig,
  text: ModelText,
  { shuffle, signal }: { shuffle: boolean; signal: AbortSignal },
): Promise<TrainingData> {
  const resolved: ResolvedSource[] = []
  const documents: TokenDocument[] = []
  for (const [i, source] of sources.entries()) {
    const { weight, ...file } = source
    resolved.push(await resolveSource(file))
    const encoded = await encodeSource(resolved[i]!, config, text, signal)
    // No spread: a million documents are more arguments than a call can take.
    for (const document of weighted(encoded, weight, new Random(config.seed, i))) documents.push(document)
  }
  const options = { rowLength: config.sequence_length, seed: shuffle ? config.seed : undefined }
  const whole = objectives[config.objective].packing === 'whole'
  const tokens = memoryTokens(documents)
  const rows = whole ? await ConversationPacking.of(tokens, options) : new StreamPacking(tokens, options)
  const lost = whole ? await countFitting(tokens, config.sequence_length) : { truncated: 0, dropped: 0 }
  const statistics = {
    sources: resolved,
    documents: documents.length,
    tokens: tokens.total,
    ...lost,
    rows_per_epoch: rows.rowsPerEpoch,
  }
  if (rows.rowsPerEpoch === 0) throw nothingToLearn(resolved)
  return { rows, statistics }
}

async function encodeSource(
  source: ResolvedSource,
  config: TrainConfig,
  text: ModelText,
  signal: AbortSignal,
): Promise<TokenDocument[]> {
  const { encode } = objectives[config.objective]
  const encoded: TokenDocument[] = []
  let slice: Document[] = []
  const flush = async () => {
    signal.throwIfAborted()
    encoded.push(...(await encode(slice, text, config.inscp)))
    slice = []
  }
  for await (const document of readDocuments(source, { signal })) {
    slice.push(document)
    if (slice.length === SLICE) await flush()
  }
  if (slice.length > 0) await flush()
  return encoded
}

// Weight 2.5: every document twice, and a random half of them once more.
function weighted(documents: TokenDocument[], weight: number, random: Random): TokenDocument[] {
  const whole = Math.floor(weight)
  const some = Math.round((weight - whole) * documents.length)
  const extra =
    some === 0 ? [] : [...random.permutation(documents.length).subarray(0, some)].sort((a, b) => a - b)
  return [...Array.from({ length: whole }, () => documents).flat(), ...extra.map((i) => documents[i]!)]
}

function nothingToLearn(sources: readonly ResolvedSource[]): TongueforgeError {
  const files = sources.map(({ path }) => path).join(', ')
  return new TongueforgeError(
    'ERR_DATA',
    `${files}: expected something to learn from, found no target token`,
    {
      hint: 'Are the files empty, or is every conversation longer than sequence_length before its first answer?',
      details: { files: sources.map(({ path }) => path) },
    },
  )
}
