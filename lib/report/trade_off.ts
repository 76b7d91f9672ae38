/** Quality against a cost, a point a model: charts that follow the colours of the page that they stand in. */
import { draw } from './chart'

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
}

/** How a series looks. */
export interface Look {
  colour: string
  /** Vega's name of the shape, and a sign like it. */
  shape: string
  sign: string
}

// Okabe and Ito's colours, for all kinds of eyes, between too light on white and too dark on black; the page may
// change them.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#8457c8', '#3aa0d8', '#7f7f7f']
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
    const colour = `var(--series-${i % COLOURS.length}, ${COLOURS[i % COLOURS.length]})`
    looks.set(name, { colour, shape, sign })
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

function specification({ x, y, format, points, looks, logarithmic }: TradeOffChart): object {
  const domainOfY = padded(
    points.map((point) => point.y),
    logarithmic,
  )
  const mostX = Math.max(...points.map((point) => point.x))
  const scaleOfY = { type: logarithmic ? 'log' : 'linear', domain: domainOfY, nice: false }
  const encoding = {
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
  const domain = [...looks.keys()]
  const range = (key: 'colour' | 'shape') => [...looks.values()].map((look) => look[key])
  const colour = {
    ...{ field: 'series', type: 'nominal', legend: null },
    scale: { domain, range: range('colour') },
  }
  const front = points.filter((point) => point.front)
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    ...SIZE,
    config: CONFIG,
    layer: [
      {
        data: { values: front },
        mark: {
          type: 'line',
          aria: false,
          strokeDash: [5, 4],
          strokeWidth: 1.5,
          color: 'currentColor',
          opacity: 0.5,
        },
        encoding,
      },
      {
        data: { values: front },
        mark: {
          type: 'point',
          aria: false,
          shape: 'circle',
          size: 190,
          strokeWidth: 1.5,
          color: 'currentColor',
          opacity: 0.7,
        },
        encoding,
      },
      {
        data: { values: points.map((point, order) => ({ ...point, order })) },
        mark: { type: 'line', aria: false, strokeWidth: 1.2, opacity: 0.55 },
        encoding: { ...encoding, color: colour, order: { field: 'order', type: 'quantitative' } },
      },
      {
        data: { values: points },
        mark: { type: 'point', filled: true, size: 62, opacity: 1 },
        encoding: {
          ...{ ...encoding, color: colour },
          shape: {
            ...{ field: 'series', type: 'nominal', legend: null },
            scale: { domain, range: range('shape') },
          },
          description: { field: 'label', type: 'nominal' },
        },
      },
    ],
  }
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

const CONFIG = {
  background: null,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...{ labelColor: 'currentColor', titleColor: 'currentColor', tickColor: 'currentColor' },
    ...{ domainColor: 'currentColor', gridColor: 'currentColor', gridOpacity: 0.12, domainOpacity: 0.4 },
    ...{ tickOpacity: 0.4, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 600 },
  },
}
