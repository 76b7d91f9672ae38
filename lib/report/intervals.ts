/** Values with the intervals that they lie in, a line each: what differs from zero is seen at once. */
import { draw } from './chart'
import { PAGE_CONFIG, PAGE_SIZE, seriesColours } from './theme'

export interface Interval {
  /** Of its line. */
  name: string
  series: string
  value: number
  low: number
  high: number
}

/** SVG text, in the colours of the page around it. Lines come in the order in which their names first appear. */
export function intervalChart(title: string, x: string, intervals: readonly Interval[]): Promise<string> {
  const series = [...new Set(intervals.map((interval) => interval.series))]
  const names = [...new Set(intervals.map(({ name }) => name))]
  const colour = {
    ...{ field: 'series', type: 'nominal', title: null },
    scale: { domain: series, range: seriesColours(series.length) },
    ...(series.length === 1 && { legend: null }),
  }
  const line = {
    y: { field: 'name', type: 'nominal', title: null, sort: names, axis: { labelLimit: 170, grid: false } },
    // Of several series each has its own height on a line.
    ...(series.length > 1 && { yOffset: { field: 'series', type: 'nominal', sort: series } }),
  }
  const along = (field: string) => ({ field, type: 'quantitative', title: x, axis: { tickCount: 5 } })
  const specification = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: PAGE_SIZE.width - 120,
    height: { step: series.length > 1 ? 12 : 24, for: series.length > 1 ? 'offset' : 'position' },
    config: PAGE_CONFIG,
    data: { values: intervals },
    layer: [
      {
        data: { values: [{ zero: 0 }] },
        mark: { type: 'rule', color: 'currentColor', opacity: 0.5, strokeDash: [4, 3] },
        encoding: { x: along('zero') },
      },
      {
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { ...line, x: along('low'), x2: { field: 'high' }, color: colour },
      },
      {
        mark: { type: 'point', filled: true, size: 55, opacity: 1 },
        encoding: { ...line, x: along('value'), color: colour },
      },
    ],
  }
  return draw(specification, title)
}
