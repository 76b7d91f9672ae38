/** Charts as SVG text, drawn by Vega-Lite without a browser. */
import { escapeHtml } from './page'
import { PAGE_CONFIG, PAGE_SIZE, seriesColours } from './theme'

export interface Line {
  x: number
  y: number
  /** Which line the point belongs to. */
  series: string
}

export interface LineChart {
  title: string
  x: string
  y: string
  points: readonly Line[]
  /** Dots on the points: for few, measured ones. */
  dots?: boolean
  /** Show y from 0 to 1 as percent. */
  share?: boolean
  logarithmic?: boolean
  /** Drawn for a page, in its colours; else it stands alone, on white. */
  themed?: boolean
}

const SIZE = { width: 560, height: 260 }

export interface HistogramChart {
  title: string
  x: string
  y: string
  /** Above 0; `to` is null where the last bin has no end. */
  bins: readonly { from: number; to: number | null; count: number }[]
  /** A value that is marked by a line across, with its name. */
  mark?: { at: number; name: string } | undefined
  themed?: boolean
}

/** Draws lines over a common x axis. */
export const lineChart = (chart: LineChart): Promise<string> => draw(lines(chart), chart.title)

/** Draws bars over an x axis in equal steps of the logarithm. */
export const histogramChart = (chart: HistogramChart): Promise<string> => draw(bars(chart), chart.title)

/** SVG of a Vega-Lite specification; `name` is what those hear who do not see it. */
export async function draw(specification: object, name: string): Promise<string> {
  // ESM-only packages, and heavy: loaded by the first chart.
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
  const { spec } = vegaLite.compile(specification as Parameters<typeof vegaLite.compile>[0])
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  try {
    return named(renumbered(await view.toSVG()), name)
  } finally {
    view.finalize()
  }
}

// Its parts have names of their own, and are read after it.
const named = (svg: string, name: string) =>
  svg.replace('<svg ', () => `<svg role="graphics-document" aria-label="${escapeHtml(name)}" `)

/** Vega counts its clip paths over the whole process; equal charts are to be equal text. */
function renumbered(svg: string): string {
  const numbers = new Map<string, number>()
  return svg.replace(/(\burl\(#|\bid=")clip(\d+)/g, (_, head: string, number: string) => {
    if (!numbers.has(number)) numbers.set(number, numbers.size + 1)
    return `${head}clip${numbers.get(number)}`
  })
}

function lines({ title, x, y, points, themed = false, ...how }: LineChart): object {
  const { dots = false, share = false, logarithmic = false } = how
  const scale = {
    ...(share && { domain: [0, 1] }),
    ...(logarithmic && { type: 'log' }),
    ...(!logarithmic && { zero: share }),
  }
  const names = [...new Set(points.map(({ series }) => series))]
  return {
    ...frame(title, themed),
    data: { values: points },
    // Dots stay whole at the edges.
    mark: { type: 'line', point: dots, strokeWidth: 2, clip: !(themed && dots) },
    encoding: {
      x: {
        ...{ field: 'x', type: 'quantitative', title: x },
        ...(themed && points.every((point) => Number.isInteger(point.x)) && { axis: { tickMinStep: 1 } }),
      },
      y: { field: 'y', type: 'quantitative', title: y, scale, axis: share ? { format: '.0%' } : {} },
      // The order of first appearance, so that colours stay with their meaning.
      color: {
        ...{ field: 'series', type: 'nominal', title: null, sort: null },
        ...(themed && { scale: { domain: names, range: seriesColours(names.length) } }),
        ...(themed && { legend: names.length === 1 ? null : { symbolType: 'stroke' } }),
      },
      ...(themed && names.length > 1 && { strokeDash: dashes(names) }),
    },
  }
}

/** Colour alone tells lines apart for some eyes, and on no black and white print. */
const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [10, 3, 2, 3],
]

const dashes = (names: readonly string[]) => ({
  ...{ field: 'series', type: 'nominal', title: null, sort: null },
  scale: { domain: names, range: names.map((_, i) => DASHES[i % DASHES.length]) },
})

function bars({ title, x, y, bins, mark, themed = false }: HistogramChart): object {
  const ratio = bins[0] === undefined ? 10 : (bins[0].to ?? 10 * bins[0].from) / bins[0].from
  const values = bins.map(({ from, to, count }) => ({ from, to: to ?? from * ratio, count }))
  const scale = { type: 'log', nice: false }
  const histogram = {
    data: { values },
    mark: {
      ...{ type: 'rect', stroke: 'white', strokeWidth: 0.5 },
      ...(themed && { color: seriesColours(1)[0], stroke: null }),
    },
    encoding: {
      x: { field: 'from', type: 'quantitative', title: x, scale, axis: { format: '~g' } },
      x2: { field: 'to' },
      y: { field: 'count', type: 'quantitative', title: y },
      y2: { datum: 0 },
    },
  }
  if (mark === undefined) return { ...frame(title, themed), layer: [histogram] }
  const at = { field: 'at', type: 'quantitative', title: x }
  const across = [
    { mark: { type: 'rule', strokeWidth: 2, strokeDash: [4, 3], ...ink(themed) }, encoding: { x: at } },
    {
      mark: { type: 'text', align: 'left', dx: 5, y: themed ? -7 : 8, ...ink(themed) },
      encoding: { x: at, text: { field: 'name', type: 'nominal' } },
    },
  ].map((layer) => ({ ...layer, data: { values: [mark] } }))
  return { ...frame(title, themed), layer: [histogram, ...across] }
}

const ink = (themed: boolean) => (themed ? { color: 'currentColor' } : {})

/** A page has its own words above a chart. */
const frame = (title: string, themed: boolean) => ({
  $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
  ...(themed ? PAGE_SIZE : SIZE),
  ...(!themed && { title: { text: title, anchor: 'start', fontSize: 14 } }),
  config: themed
    ? PAGE_CONFIG
    : { font: 'system-ui, sans-serif', view: { stroke: null }, background: 'white' },
})
