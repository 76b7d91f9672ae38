/** InsCP: how well the starting model knows each document already, and the filter by it. */
import { join } from 'node:path'
import { PERPLEXITY_SAMPLE } from '../../config/inscp'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { Distribution } from '../../report/distribution'
import { Bodies } from '../../text/bodies'
import { dataCacheFolder } from '../../text/cache/place'
import { encodeFrame, inscpFrame } from '../../text/inscp_frame'
import { chosen, Joined } from '../../text/mixing'
import type { ModelText } from '../../text/model_text'
import { inSteps } from '../../text/pause'
import { Random } from '../../text/random'
import { Selected } from '../../text/selected'
import type { Tokens } from '../../text/tokens'
import { windowRows } from '../../text/windows'
import { replaceFile } from '../../writes'
import { environment } from './environment'
import { writeLogProbs } from './log_probs_file'
import {
  drawPerplexity,
  type PerplexityReport,
  perplexityLine,
  perplexityReport,
  short,
} from './perplexity_report'
import {
  type KeyedLogProbs,
  StartingModel,
  type StartingModelOptions,
  type StartingPoint,
} from './starting_model'

/** What is left of a source, and its part of the statistics. */
export interface SiftedSource {
  tokens: Tokens
  statistics: SourcePerplexity
}

export interface SourcePerplexity {
  /** Under the starting model, of its measured text as one. */
  perplexity?: number
  /** With max_perplexity: not above it. */
  kept_documents?: number
  kept_tokens?: number
}

export interface PerplexityOptions extends Pick<StartingModelOptions, 'folder' | 'signal' | 'onProgress'> {
  /** Hears the median and the extremes, in a line. */
  onNote?: ((message: string) => void) | undefined
}

/** A filter that keeps less is a mistake. */
const LEAST_SHARE = 0.1
const NAME = 'perplexity'

/** Of the documents of a run's `data`: measured by `sift`, which the loading of data calls. */
export class Perplexity {
  report: PerplexityReport | undefined
  private measured: KeyedLogProbs | undefined

  constructor(
    private readonly config: TrainConfig,
    private readonly text: ModelText,
    private readonly start: StartingPoint,
    private readonly options: PerplexityOptions,
  ) {}

  /** Measures the documents of the sources and leaves out those above max_perplexity. Throws ERR_DATA if hardly any stay. */
  async sift(sources: readonly Tokens[]): Promise<SiftedSource[]> {
    const { max_perplexity: most } = this.config.inscp
    const all = new Joined(sources)
    const sample = await this.#sample(all.count)
    const documents = sample ? await Selected.of(all, sample) : all
    const said = await this.#measure(documents)
    this.measured = said
    const { values, overall } = await perplexities(said)
    const spread = await Distribution.of(values, (document) => documents.length(document))
    const sifted = await siftAll(sources, { ...said, values, sample, most })
    this.report = await perplexityReport(spread, {
      overall,
      ...(sample && { sampled_from: all.count }),
      ...(most !== undefined && { max_perplexity: most, ...keptOf(sifted) }),
    })
    if (most !== undefined) await checkKept(this.report, spread)
    this.options.onNote?.(perplexityLine(this.report))
    return sifted
  }

  /** Puts what was measured, and its picture, into the run folder. Throws ERR_NO_SPACE or ERR_IO. */
  async keep(folder: string): Promise<void> {
    const { measured, report } = this
    if (measured === undefined || report === undefined) return
    const [file, picture] = ['bin', 'svg'].map((kind) => join(folder, `${NAME}.${kind}`))
    await writeLogProbs(file!, measured.key, measured)
    await replaceFile(picture!, await drawPerplexity(report))
  }

  /** Numbers of the documents to measure, whatever the seed; undefined: all. */
  async #sample(count: number): Promise<Uint32Array | undefined> {
    const { max_perplexity: most, perplexity_sample: asked } = this.config.inscp
    const size = asked ?? (most === undefined ? PERPLEXITY_SAMPLE : count)
    return size < count ? chosen(count, size, new Random(0)) : undefined
  }

  async #measure(documents: Tokens): Promise<KeyedLogProbs> {
    const { config, text, options } = this
    const bodies = new Bodies(documents, await encodeFrame(text, inscpFrame(text, config.inscp)))
    const rows = await windowRows(bodies, config.sequence_length)
    const { dtype, device, threads, batch_size } = config
    const shared = {
      folder: join(dataCacheFolder(config.data_cache), 'log_probs'),
      environment: environment(config),
    }
    const starting = new StartingModel(this.start, {
      dtype,
      device,
      threads,
      rows: batch_size,
      shared,
      ...options,
    })
    try {
      return await starting.logProbs(NAME, { parts: [rows], documents: documents.count })
    } finally {
      starting.dispose()
    }
  }
}

/** exp of the mean loss a token, NaN for a document without text; and of all as one. Throws ERR_NON_FINITE. */
async function perplexities({
  sums,
  counts,
}: KeyedLogProbs): Promise<{ values: Float64Array; overall: number }> {
  const values = new Float64Array(sums.length)
  let [sum, count] = [0, 0]
  await inSteps(values.length, (from, to) => {
    for (let i = from; i < to; i++) {
      if (Number.isNaN(sums[i]!)) throw notANumber(i)
      values[i] = counts[i] === 0 ? Number.NaN : Math.exp(-sums[i]! / counts[i]!)
      sum += sums[i]!
      count += counts[i]!
    }
  })
  return { values, overall: Math.exp(-sum / count) }
}

interface Measured extends KeyedLogProbs {
  values: Float64Array
  sample: Uint32Array | undefined
  most: number | undefined
}

async function siftAll(sources: readonly Tokens[], measured: Measured): Promise<SiftedSource[]> {
  const { sample } = measured
  const sifted: SiftedSource[] = []
  let next = 0 // document of all sources
  let from = 0 // among those measured
  for (const tokens of sources) {
    next += tokens.count
    let to = sample === undefined ? next : from
    while (sample && to < sample.length && sample[to]! < next) to++
    sifted.push(await siftOne(tokens, measured, from, to))
    from = to
  }
  return sifted
}

/** A source whose measured documents are numbers `from` to `to` - 1 of all. */
async function siftOne(
  tokens: Tokens,
  { sums, counts, values, most }: Measured,
  from: number,
  to: number,
): Promise<SiftedSource> {
  const kept = new Uint32Array(most === undefined ? 0 : tokens.count)
  let [sum, count, documents] = [0, 0, 0]
  await inSteps(to - from, (begin, end) => {
    for (let document = begin; document < end; document++) {
      sum += sums[from + document]!
      count += counts[from + document]!
      // A document without text has no perplexity, NaN, and stays.
      if (most !== undefined && !(values[from + document]! > most)) kept[documents++] = document
    }
  })
  const perplexity = count > 0 ? { perplexity: Math.exp(-sum / count) } : {}
  if (most === undefined) return { tokens, statistics: perplexity }
  const left = await Selected.of(tokens, kept.slice(0, documents))
  const statistics = { ...perplexity, kept_documents: documents, kept_tokens: left.total }
  return { tokens: documents === tokens.count ? tokens : left, statistics }
}

function keptOf(sifted: readonly SiftedSource[]): { kept_documents: number; kept_tokens: number } {
  const sum = (key: 'kept_documents' | 'kept_tokens') =>
    sifted.reduce((total, { statistics }) => total + statistics[key]!, 0)
  return { kept_documents: sum('kept_documents'), kept_tokens: sum('kept_tokens') }
}

async function checkKept(
  { tokens, kept_tokens = 0, max_perplexity: most }: PerplexityReport,
  spread: Distribution,
): Promise<void> {
  if (kept_tokens >= LEAST_SHARE * tokens) return
  const half = roundedUp(await spread.quantile(0.5, 'tokens'))
  throw new TongueforgeError(
    'ERR_DATA',
    `inscp.max_perplexity: expected a value that keeps at least 10 % of the tokens; ${most} keeps ` +
      `${kept_tokens} of ${tokens} (${short((100 * kept_tokens) / tokens)} %)`,
    {
      hint: `max_perplexity: ${half} would keep half of them. Is it text such as the model itself would answer with?`,
      details: { key: 'inscp.max_perplexity', received: most, keeps_half: half },
    },
  )
}

/** Four digits, and not less. */
function roundedUp(value: number): number {
  const rounded = Number(value.toPrecision(4))
  if (!(rounded < value)) return rounded
  return Number((value + 10 ** (Math.floor(Math.log10(value)) - 3)).toPrecision(4))
}

function notANumber(document: number): TongueforgeError {
  return new TongueforgeError(
    'ERR_NON_FINITE',
    `perplexity: expected log-probabilities under the starting model, received NaN for document ${document + 1}`,
    { hint: 'The weights of the model are damaged, or too large for dtype: try dtype: float32.' },
  )
}
