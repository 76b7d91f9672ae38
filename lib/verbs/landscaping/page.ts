/** landscape.html: four charts of each quality, the table, how it was measured. One file that needs nothing else. */
import type { LandscapeConfig } from '../../config/landscape'
import { csvText } from '../../report/csv'
import { escapeHtml, figure, page, paragraph, type Section } from '../../report/page'
import { type Look, looksOf } from '../../report/trade_off'
import { type ChartedQuality, costCharts, qualitiesOf } from './charts'
import type { Fronts } from './costs'
import { methodSentences, zerosSentence } from './page_method'
import { tableOfFailed, tableOfPoints } from './page_table'
import type { LandscapeReport } from './report'
import { rowsOf } from './table'

/** HTML text. */
export async function landscapePage(report: LandscapeReport, config: LandscapeConfig): Promise<string> {
  const { points, failed, fronts } = report
  const looks = looksOf(points.map(({ technique }) => technique))
  const drawn: Section[] = []
  for (const charted of qualitiesOf(report)) drawn.push(await charts(charted, report, looks))
  const words = [READING, zerosSentence(report) ?? []].flat().map(paragraph).join('\n')
  drawn[0]!.body += words
  const sections: Section[] = [
    ...drawn,
    { title: 'All points', body: tableOfPoints(report) + downloads(report) },
    ...(failed.length > 0 ? [{ title: 'What failed', body: tableOfFailed(failed) }] : []),
    { title: 'How it was measured', body: methodSentences(config, report).map(paragraph).join('\n') },
  ]
  const lead = `${points.length} models from one, by ${looks.size - 1} techniques; ${onAll(fronts)}`
  return page('Compression landscape', lead, sections, STYLE)
}

const READING =
  'Each sign is a model; lower and further left is better. Rings mark the Pareto front, joined by the dashed line: no ' +
  'other model is as good and as cheap, and better in one of the two. A line joins one technique at its rates.'

function onAll(fronts: Fronts): string {
  const [first, ...others] = Object.values(fronts)
  const everywhere = first!.filter((name) => others.every((front) => front.includes(name)))
  return everywhere.length > 0
    ? `on all four fronts: ${everywhere.join(', ')}.`
    : 'none is on all four fronts.'
}

async function charts(
  charted: ChartedQuality,
  report: LandscapeReport,
  looks: ReadonlyMap<string, Look>,
): Promise<Section> {
  const figures = (await costCharts(charted, report, looks)).map(({ svg }) => figure(svg))
  return {
    title: `${charted.quality.heading} against four costs`,
    body: `${legend(looks)}<div class="charts">${figures.join('\n')}</div>`,
  }
}

function legend(looks: ReadonlyMap<string, Look>): string {
  const items = [...looks].map(
    ([name, { colour, sign }]) =>
      `<li><span style="color: ${colour}" aria-hidden="true">${sign}</span> ${escapeHtml(name)}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function downloads({ points, fronts, probe_fronts }: LandscapeReport): string {
  const link = (name: string, type: string, content: string) =>
    `<a download="${name}" href="data:${type};charset=utf-8,${encodeURIComponent(content)}">${name}</a>`
  const csv = link('landscape.csv', 'text/csv', csvText(rowsOf(points, fronts)))
  const json = link('landscape.json', 'application/json', JSON.stringify({ points, fronts, probe_fronts }))
  return `<p>Every number: ${csv}, ${json}.</p>`
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
