/** landscape.html: four charts, the table, how it was measured. One file that needs nothing else. */
import { basename } from 'node:path'
import type { LandscapeConfig } from '../../config/landscape'
import { type Column, escapeHtml, figure, page, paragraph, type Section, table } from '../../report/page'
import { type Look, looksOf, tradeOffChart } from '../../report/trade_off'
import { COST_NAMES, COSTS, type CostName } from './costs'
import { rateText } from './points'
import type { FailedPoint, LandscapePoint } from './record'
import { frontsWith, type LandscapeReport } from './report'
import { csvText, rowsOf } from './table'

/** HTML text. */
export async function landscapePage(report: LandscapeReport, config: LandscapeConfig): Promise<string> {
  const { points, failed, fronts } = report
  const looks = looksOf(points.map(({ technique }) => technique))
  const charts = []
  for (const cost of COST_NAMES) charts.push(figure(await chart(cost, report, looks)))
  const sections: Section[] = [
    {
      title: 'Quality against four costs',
      body: `${legend(looks)}<div class="charts">${charts.join('\n')}</div>${paragraph(READING)}`,
    },
    { title: 'All points', body: table(COLUMNS, rows(report)) + downloads(report) },
    ...(failed.length > 0 ? [{ title: 'What failed', body: table(FAILED_COLUMNS, failed) }] : []),
    { title: 'How it was measured', body: method(config, report) },
  ]
  const lead = `${points.length} models from one, by ${looks.size - 1} techniques; ${onAll(fronts)}`
  return page('Compression landscape', lead, sections, STYLE)
}

const READING =
  'Each sign is a model; lower and further left is better. Rings mark the Pareto front, joined by the dashed line: no ' +
  'other model is as good and as cheap, and better in one of the two. A line joins one technique at its rates.'

function onAll(fronts: LandscapeReport['fronts']): string {
  const [first, ...others] = COST_NAMES.map((cost) => fronts[cost])
  const everywhere = first!.filter((name) => others.every((front) => front.includes(name)))
  return everywhere.length > 0
    ? `on all four fronts: ${everywhere.join(', ')}.`
    : 'none is on all four fronts.'
}

function chart(
  cost: CostName,
  { points, fronts }: LandscapeReport,
  looks: ReadonlyMap<string, Look>,
): Promise<string> {
  const { title, format, of } = COSTS[cost]
  const drawn = points.flatMap((point) => {
    const { technique: series, perplexity: y } = point
    if (y === null) return []
    const label = `${pointName(point)}: perplexity ${three(y)}, ${title} ${si(of(point))}`
    return [{ series, x: of(point), y, label, front: fronts[cost].includes(point.point) }]
  })
  return tradeOffChart({ x: title, y: 'perplexity', format, points: drawn, looks, logarithmic: true })
}

const pointName = ({ technique, rate }: Pick<LandscapePoint, 'technique' | 'rate'>) =>
  rate === null ? technique : `${technique} ${rateText(rate)}`

function legend(looks: ReadonlyMap<string, Look>): string {
  const items = [...looks].map(
    ([name, { colour, sign }]) =>
      `<li><span style="color: ${colour}" aria-hidden="true">${sign}</span> ${escapeHtml(name)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

interface Row {
  point: string
  perplexity: number | null
  nonzero: number
  total: number
  bytes: number
  core: number
  effective: number | null
  prefill: number
  decode: number | null
  time: number
  fronts: string
  loads_in: string
}

const three = (value: number) => Number(value.toPrecision(3)).toLocaleString('en')
const inUnits = (value: number | null) => (value === null ? '-' : si(value))
const plain = (value: string) => value
const milliseconds = (seconds: number | null) => (seconds === null ? '-' : three(1000 * seconds))

function si(value: number): string {
  if (value < 1) return three(value)
  const units = ['', ' k', ' M', ' G', ' T', ' P']
  const step = Math.min(units.length - 1, Math.floor(Math.log10(value) / 3))
  return `${(value / 1000 ** step).toPrecision(3)}${units[step]}`
}

const COLUMNS: readonly Column<Row>[] = [
  { key: 'point', title: 'model', format: plain },
  {
    key: 'perplexity',
    title: 'perplexity',
    format: (value: number | null) => (value === null ? '-' : three(value)),
  },
  { key: 'nonzero', title: 'parameters not zero', format: inUnits },
  { key: 'total', title: 'parameters', format: inUnits },
  { key: 'bytes', title: 'bytes', format: inUnits },
  { key: 'core', title: 'MACs dense', format: inUnits },
  { key: 'effective', title: 'MACs effective', format: inUnits },
  { key: 'prefill', title: 'prompt, ms', format: milliseconds },
  { key: 'decode', title: 'a token more, ms', format: milliseconds },
  { key: 'time', title: 'time, original = 1', format: three },
  { key: 'fronts', title: 'on the front of', format: plain },
  { key: 'loads_in', title: 'loads in', format: plain },
]

function rows(report: LandscapeReport): Row[] {
  return report.points.map((point) => ({
    point: pointName(point),
    perplexity: point.perplexity,
    ...point.parameters,
    bytes: point.bytes,
    core: point.macs.core,
    effective: point.macs.effective?.core ?? null,
    prefill: point.speed.prefill_seconds.min,
    decode: point.speed.decode_seconds?.min ?? null,
    time: point.speed.request_relative,
    fronts: frontsWith(report, point.point).join(', '),
    loads_in: point.loads_in,
  }))
}

const FAILED_COLUMNS: readonly Column<FailedPoint>[] = [
  { key: 'point', title: 'point', format: plain },
  {
    key: 'error',
    title: 'why',
    format: ({ code, message }: FailedPoint['error']) => `${code}: ${message}`,
    prose: true,
  },
]

function downloads({ points, fronts }: LandscapeReport): string {
  const link = (name: string, type: string, content: string) =>
    `<a download="${name}" href="data:${type};charset=utf-8,${encodeURIComponent(content)}">${name}</a>`
  const csv = link('landscape.csv', 'text/csv', csvText(rowsOf(points, fronts)))
  const json = link('landscape.json', 'application/json', JSON.stringify({ points, fronts }))
  return `<p>Every number: ${csv}, ${json}.</p>`
}

function method(config: LandscapeConfig, { points }: LandscapeReport): string {
  const { tokens, new_tokens, warmup, repeats, threads } = config.measure
  const cores =
    threads === 0 ? 'as many threads as libtorch chooses' : threads === 1 ? '1 thread' : `${threads} threads`
  const { data, sequence_length } = config.evaluate
  const sentences = [
    `Model: ${basename(config.model)}. Perplexity on ${data.map(({ path }) => basename(path)).join(', ')} in rows of ${sequence_length} tokens.`,
    'Parameters that are not zero are what weight pruning lowers; bytes are those of the weight files, in which zeros lie too.',
    `MACs are those of a prompt of ${tokens} tokens, head and the full square of attention included, in closed form. Dense: ` +
      'what a dense kernel does. Effective: without products with weights that are zero; shown in the table, never in the chart.',
    `Time: batch 1, ${cores}, the fastest of ${repeats} passes after ${warmup}: a prompt of ${tokens} tokens to its first new ` +
      `token, each token after it, and a request of a prompt and ${new_tokens} tokens. The chart shows the request, over that ` +
      'of the original timed in turns with it, so that other work on the machine meets both.',
    `Making all points took ${three(points.reduce((sum, { seconds }) => sum + seconds, 0))} s.`,
  ]
  return sentences.map(paragraph).join('\n')
}

/** Beside the page's own: dark where the reader's system is, and two charts in a row where there is room. */
const STYLE = `
:root { color-scheme: light dark }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .5rem 1.5rem }
.charts figure { margin: .4rem 0 } .charts svg { width: 100%; height: auto }
.scroll td:first-child, .scroll th:first-child { position: sticky; left: 0; background: var(--page, white) }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
@media (prefers-color-scheme: dark) {
  body { color: #dde3ec; background: var(--page) } .lead { color: #9aa6b8 }
  th, td { border-color: #2a303a } th { border-bottom-color: #4a5566 } tr:hover td { background: #1c2129 }
  code { background: #222833 } a { color: #7db7ff }
  :root { --page: #14171c; --series-0: #56b4e9; --series-1: #ff9d57; --series-2: #2fc79a; --series-3: #e39cc4; --series-4: #e0b040;
    --series-5: #b392ee; --series-6: #7cc7f0; --series-7: #a8a8a8 }
}`
