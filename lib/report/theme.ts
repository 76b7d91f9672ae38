/** How charts look that stand in a page: in its colours, which follow the reader's system, and small enough for a phone. */

// Okabe and Ito's colours, for all kinds of eyes, between too light on white and too dark on black; the page may
// change them.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#8457c8', '#3aa0d8', '#7f7f7f']

/** Of the number of a series, from 0; the first comes again after the last. */
export const seriesColour = (series: number): string =>
  `var(--series-${series % COLOURS.length}, ${COLOURS[series % COLOURS.length]})`

export const seriesColours = (count: number): string[] =>
  Array.from({ length: count }, (_, series) => seriesColour(series))

/** Letters stay legible where a chart is drawn 350 pixels wide. */
export const PAGE_SIZE = { width: 400, height: 220 }

/** Of Vega-Lite. */
export const PAGE_CONFIG = {
  background: null,
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    ...{ labelColor: 'currentColor', titleColor: 'currentColor', tickColor: 'currentColor' },
    ...{ domainColor: 'currentColor', gridColor: 'currentColor', gridOpacity: 0.12, domainOpacity: 0.4 },
    ...{ tickOpacity: 0.4, labelFontSize: 12, titleFontSize: 13, titleFontWeight: 600 },
  },
  legend: {
    ...{ labelColor: 'currentColor', labelFontSize: 12, labelLimit: 170 },
    ...{ orient: 'top', direction: 'horizontal', columns: 2, symbolStrokeWidth: 2.5 },
  },
}

/** A chart of a page as a picture of its own: dark on white, for programs that know no variables of a page. */
export function standing(svg: string): string {
  return svg
    .replace(/="var\(--series-\d+, (#[0-9a-f]{6})\)"/g, '="$1"')
    .replace(/="currentColor"/g, '="#1d2330"')
    .replace('<svg ', '<svg style="background: #fff" ')
}
