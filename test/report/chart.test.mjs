// Charts as text: what a title says stays what it is, in pictures that stand alone and in those of a page.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineChart } from '#lib/report/chart'
import { standing } from '#lib/report/theme'

const points = [1, 2, 3].map((x) => ({ x, y: x * x, series: 'a <b>' }))
const chart = { title: '$& $` "quoted" <b>', x: 'x', y: 'y', points }

test('the name of a chart is its title to the letter, dollar signs and all', async () => {
  for (const themed of [false, true])
    assert.match(
      await lineChart({ ...chart, themed }),
      /^<svg role="graphics-document" aria-label="\$&amp; \$` &quot;quoted&quot; &lt;b&gt;" /,
    )
})

test('a chart of a page wears its colours; as a file it has colours of its own', async () => {
  const svg = await lineChart({ ...chart, themed: true })
  assert.match(svg, /"var\(--series-0, #0072b2\)"/)
  assert.match(svg, /"currentColor"/)
  const alone = standing(svg)
  assert.doesNotMatch(alone, /var\(|currentColor/)
  assert.match(alone, /^<svg style="background: #fff" /)
  for (const colour of ['"#0072b2"', '"#1d2330"']) assert.ok(alone.includes(colour), colour)
})
