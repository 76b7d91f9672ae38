/** Quality against a cost, a point a model: charts that follow the colours of the page that they stand in. */
import { draw } from './chart'
import { PAGE_CONFIG, seriesColour } from './theme'

export interface TradeOffPoint {
  series: string
  x: number
  y: number
  /** What the point is, in words: shown where a pointer rests on it, and read aloud. */
  label: string
  /** No other point is as good in both and better in one. */
  front: boolean
}

export interface TradeOffChart {
  x: string
  y: string
  /** Of the axis: d3's, "~s" for 1.2M. */
  format: string
  /** A line through the points of a series, in this order. */
  points: readonly TradeOffPoint[]
  /** Looks by name; equal in all charts of a page. */
  looks: ReadonlyMap<string, Look>
  /** y in equal steps of the logarithm. */
  logarithmic: boolean
  /** Names of the series in the picture, where no page has them beside it. */
  legend?: boolean
}

/** How a series looks. */
export interface Look {
  colour: string
  /** Vega's name of the shape, and a sign like it. */
  shape: string
  sign: string
}

const SHAPES = [
  ['circle', '●'],
  ['square', '■'],
  ['triangle-up', '▲'],
  ['diamond', '◆'],
  ['triangle-down', '▼'],
  ['triangle-right', '▶'],
  ['triangle-left', '◀'],
] as const

/** The first series is what all others come from: drawn in the colour of text. */
export function looksOf(series: readonly string[]): Map<string, Look> {
  const [first, ...others] = new Set(series)
  const looks = new Map<string, Look>(
    first === undefined ? [] : [[first, { colour: 'currentColor', shape: 'cross', sign: '✚' }]],
  )
  for (const [i, name] of others.entries()) {
    const [shape, sign] = SHAPES[i % SHAPES.length]!
    looks.set(name, { colour: seriesColour(i), shape, sign })
  }
  return looks
}

/** Small enough for a phone, and sharp when it is stretched. */
const SIZE = { width: 330, height: 250 }

/** SVG text. Axes and the front are in the colour of the text around it. */
export async function tradeOffChart(chart: TradeOffChart): Promise<string> {
  const svg = await draw(specification(chart), `${chart.y} against ${chart.x}`)
  return withTitles(svg)
}

/** Browsers show what stands in <title> where a pointer rests. */
function withTitles(svg: string): string {
  return svg.replace(
    /<path aria-label="([^"]+)"([^>]*?)\/>/g,
    '<path aria-label="$1"$2><title>$1</title></path>',
  )
}

function specification({ legend = false, ...chart }: TradeOffChart): object {
  const { points } = chart
  const axes = axesOf(chart)
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    ...SIZE,
    config: PAGE_CONFIG,
    layer: [
      ...frontLayers(
        points.filter((point) => point.front),
        axes,
      ),
      ...seriesLayers(chart, axes, legend),
    ],
  }
}

function axesOf({ x, y, format, points, logarithmic }: TradeOffChart) {
  const domainOfY = padded(
    points.map((point) => point.y),
    logarithmic,
  )
  const mostX = Math.max(...points.map((point) => point.x))
  const scaleOfY = { type: logarithmic ? 'log' : 'linear', domain: domainOfY, nice: false }
  return {
    x: {
      field: 'x',
      type: 'quantitative',
      title: x,
      axis: { format, tickCount: 5 },
      scale: { domain: [0, 1.05 * mostX], nice: false },
    },
    y: {
      ...{ field: 'y', type: 'quantitative', title: y },
      ...{ axis: { format: '~g', tickCount: 5 }, scale: scaleOfY },
    },
  }
}

/** A dashed line, and a ring around each point of it. */
function frontLayers(front: TradeOffChart['points'], encoding: object): object[] {
  const mark = { aria: false, strokeWidth: 1.5, color: 'currentColor' }
  const data = { values: front }
  return [
    { data, mark: { ...mark, type: 'line', strokeDash: [5, 4], opacity: 0.5 }, encoding },
    { data, mark: { ...mark, type: 'point', shape: 'circle', size: 190, opacity: 0.7 }, encoding },
  ]
}

/** A line through the points of each series, in the order that they come in, and a sign for each. */
function seriesLayers({ points, looks }: TradeOffChart, axes: object, legend: boolean): object[] {
  const domain = [...looks.keys()]
  const looking = (key: 'colour' | 'shape') => ({
    ...{ field: 'series', type: 'nominal', title: null, ...(!legend && { legend: null }) },
    scale: { domain, range: [...looks.values()].map((look) => look[key]) },
  })
  const encoding = { ...axes, color: looking('colour') }
  return [
    {
      data: { values: points.map((point, order) => ({ ...point, order })) },
      mark: { type: 'line', aria: false, strokeWidth: 1.2, opacity: 0.55 },
      encoding: { ...encoding, order: { field: 'order', type: 'quantitative' } },
    },
    {
      data: { values: points },
      mark: { type: 'point', filled: true, size: 62, opacity: 1 },
      encoding: {
        ...encoding,
        shape: looking('shape'),
        description: { field: 'label', type: 'nominal' },
      },
    },
  ]
}

/** Room for the signs at both ends. */
function padded(values: readonly number[], logarithmic: boolean): [number, number] {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  if (!logarithmic) {
    const room = 0.06 * (most - least || Math.abs(most) || 1)
    return [least - room, most + room]
  }
  const room = Math.max((most / least) ** 0.06, 1.02)
  return [least / room, most * room]
}
