/** Charts as SVG text, drawn by Vega-Lite without a browser. */

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
}

const SIZE = { width: 560, height: 260 }

/** Draws lines over a common x axis. */
export async function lineChart(chart: LineChart): Promise<string> {
  // ESM-only packages, and heavy: loaded by the first chart.
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')])
  const { spec } = vegaLite.compile(specification(chart) as Parameters<typeof vegaLite.compile>[0])
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

function specification({
  title,
  x,
  y,
  points,
  dots = false,
  share = false,
  logarithmic = false,
}: LineChart): object {
  const scale = {
    ...(share && { domain: [0, 1] }),
    ...(logarithmic && { type: 'log' }),
    ...(!logarithmic && { zero: share }),
  }
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    ...SIZE,
    title: { text: title, anchor: 'start', fontSize: 14 },
    data: { values: points },
    mark: { type: 'line', point: dots, strokeWidth: 2, clip: true },
    encoding: {
      x: { field: 'x', type: 'quantitative', title: x },
      y: { field: 'y', type: 'quantitative', title: y, scale, axis: share ? { format: '.0%' } : {} },
      // The order of first appearance, so that colours stay with their meaning.
      color: { field: 'series', type: 'nominal', title: null, sort: null },
    },
    config: { font: 'system-ui, sans-serif', view: { stroke: null }, background: 'white' },
  }
}
