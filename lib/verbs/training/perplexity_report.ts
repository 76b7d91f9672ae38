/** What a run tells of the perplexity of its documents: numbers, a line, a picture. */
import { histogramChart } from '../../report/chart'
import type { Bin, Distribution } from '../../report/distribution'

/** Each document is counted once, whatever its weight; tokens are those of documents, template included. */
export interface PerplexityReport {
  /** Measured. */
  documents: number
  /** Of those documents. */
  tokens: number
  /** Where a sample was measured: all that there are. */
  sampled_from?: number
  /** Of all measured text as one: exp of the mean over its tokens. */
  overall: number
  /** Over documents. */
  quantiles: Record<(typeof QUANTILES)[number], number>
  /** Documents by perplexity. */
  histogram: Bin[]
  /** As in the config. */
  max_perplexity?: number
  /** Not above max_perplexity. */
  kept_documents?: number
  /** Of the documents that are kept. */
  kept_tokens?: number
}

const QUANTILES = ['p5', 'p25', 'p50', 'p75', 'p95'] as const

/** What is not in the distribution. */
export type Rest = Omit<PerplexityReport, 'documents' | 'tokens' | 'quantiles' | 'histogram'>

export async function perplexityReport(
  spread: Distribution,
  { overall, ...rest }: Rest,
): Promise<PerplexityReport> {
  const quantiles = {} as PerplexityReport['quantiles']
  for (const name of QUANTILES)
    quantiles[name] = await spread.quantile(Number(name.slice(1)) / 100, 'documents')
  const { documents, tokens } = spread
  return { documents, tokens, overall, quantiles, histogram: spread.histogram(), ...rest }
}

export const short = (value: number) => String(Number(value.toPrecision(3)))

export function perplexityLine(report: PerplexityReport): string {
  const { documents, tokens, sampled_from, quantiles, overall, max_perplexity: most } = report
  const of = sampled_from === undefined ? '' : ` of ${sampled_from}`
  const { kept_documents, kept_tokens } = report
  const kept =
    most === undefined
      ? ''
      : `; max_perplexity ${most} keeps ${kept_documents} of them, ${short((100 * kept_tokens!) / tokens)} % of the tokens`
  return (
    `perplexity of ${documents}${of} documents under the starting model: median ${short(quantiles.p50)}, ` +
    `5 % below ${short(quantiles.p5)}, 5 % above ${short(quantiles.p95)}, overall ${short(overall)}${kept}`
  )
}

/** SVG text; the limit is marked where it is among the values. */
export function drawPerplexity({
  histogram,
  documents,
  max_perplexity: most,
}: PerplexityReport): Promise<string> {
  const [first, last] = [histogram[0]?.from ?? 1, histogram.at(-1)?.to ?? Number.POSITIVE_INFINITY]
  const shown = most !== undefined && most >= first && most <= last
  return histogramChart({
    title: `${documents} documents under the starting model`,
    x: 'perplexity',
    y: 'documents',
    bins: histogram.map(({ documents: count, ...bin }) => ({ ...bin, count })),
    mark: shown ? { at: most, name: `max_perplexity ${most}` } : undefined,
  })
}
