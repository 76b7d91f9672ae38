/** The charts of a landscape: every quality against every cost, a picture each. */
import { type Look, type TradeOffChart, tradeOffChart } from '../../report/trade_off'
import { COSTS, type CostName, costsOf, type Fronts } from './costs'
import { si, three } from './number_text'
import { pointName } from './page_table'
import { probeQuality, type Quality, qualityOf } from './qualities'
import type { LandscapeReport } from './report'

/** A quality, and which points are on its fronts. */
export interface ChartedQuality {
  quality: Quality
  fronts: Fronts
}

/** What the models were trained by first, then the error of each probe. */
export const qualitiesOf = ({ kind, fronts, probe_fronts = {} }: LandscapeReport): ChartedQuality[] => [
  { quality: qualityOf(kind), fronts },
  ...Object.entries(probe_fronts).map(([name, own]) => ({ quality: probeQuality(name), fronts: own })),
]

export interface CostChart {
  cost: CostName
  /** Of the axis of the cost. */
  title: string
  /** SVG text, in the colours of the page around it. */
  svg: string
  /** Draws it again, with the names of its series in it. */
  withLegend: () => Promise<string>
}

/** Four; a point whose quality is no number any more is in none of them. */
export async function costCharts(
  { quality, fronts }: ChartedQuality,
  { points, kind }: LandscapeReport,
  looks: ReadonlyMap<string, Look>,
): Promise<CostChart[]> {
  const charts: CostChart[] = []
  for (const cost of costsOf(kind)) {
    const { title, format, of } = COSTS[cost]
    const drawn = points.flatMap((point) => {
      const y = quality.of(point)
      if (y === null) return []
      const x = of(point, points[0]!)
      const label = `${pointName(point)}: ${quality.title} ${three(y)}, ${title} ${si(x)}`
      return [{ series: point.technique, x, y, label, front: fronts[cost]!.includes(point.point) }]
    })
    const { title: y, logarithmic } = quality
    const chart: TradeOffChart = { x: title, y, format, points: drawn, looks, logarithmic }
    const withLegend = () => tradeOffChart({ ...chart, legend: true })
    charts.push({ cost, title, svg: await tradeOffChart(chart), withLegend })
  }
  return charts
}
