// Charts that stand in pages of any colour.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { looksOf, tradeOffChart } from '#lib/report/trade_off'

const looks = looksOf(['original', 'a', 'b', 'a'])
const points = [
  { series: 'original', x: 1e6, y: 10, label: 'the original', front: true },
  { series: 'a', x: 9e5, y: 11, label: 'a "quoted" <point>', front: false },
  { series: 'a', x: 5e5, y: 16, label: 'a 0.5', front: true },
  { series: 'b', x: 4e5, y: 30, label: 'b 0.6', front: true },
]
const chart = (changes) =>
  tradeOffChart({ x: 'cost', y: 'loss', format: '~s', points, looks, logarithmic: true, ...changes })

test('every colour is that of the text around, or one that the page may set', async () => {
  const svg = await chart()
  const colours = [...svg.matchAll(/(?:fill|stroke)="([^"]*)"/g)].map(([, colour]) => colour)
  const free = /^(currentColor|none|transparent|var\(--series-\d, #[0-9a-f]{6}\))$/
  assert.deepEqual(
    [...new Set(colours)].filter((colour) => !free.test(colour)),
    [],
  )
  assert.ok(colours.includes(looks.get('b').colour))
})

test('each point says what it is, escaped, and the front has a ring for each of its points', async () => {
  const svg = await chart()
  const titles = [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, title]) => title)
  assert.deepEqual(titles, ['the original', 'a &quot;quoted&quot; &lt;point&gt;', 'a 0.5', 'b 0.6'])
  const lonely = await chart({ points: points.map((point) => ({ ...point, front: false })) })
  const signs = (text) => text.match(/<path [^>]*transform="translate/g).length
  assert.equal(signs(svg) - signs(lonely), 3)
})

test('the chart has a name for those who do not see it, and so have its axes', async () => {
  const svg = await chart({ x: 'cost <of> a pass' })
  const [root, ...parts] = [...svg.matchAll(/<(svg|g) [^>]*aria-label="([^"]*)"/g)]
  assert.deepEqual(root.slice(1), ['svg', 'loss against cost &lt;of&gt; a pass'])
  assert.match(svg, /^<svg role="graphics-document"/)
  const labels = parts.map(([, , label]) => label)
  assert.ok(
    labels.some((label) => label.startsWith('X-axis titled')),
    labels.join('; '),
  )
  assert.ok(
    labels.some((label) => label.startsWith('Y-axis titled')),
    labels.join('; '),
  )
})

test('series look the same whatever a chart shows of them, and the first is drawn as text is', () => {
  assert.deepEqual([...looks.keys()], ['original', 'a', 'b'])
  assert.equal(looks.get('original').colour, 'currentColor')
  const many = looksOf(Array.from({ length: 30 }, (_, i) => `t${i}`))
  const pairs = new Set([...many.values()].map(({ colour, shape }) => colour + shape))
  assert.equal(pairs.size, 30, 'no two look alike')
})

test('one point, equal points and a linear axis are drawn too', async () => {
  for (const list of [points.slice(0, 1), [points[1], points[1]]])
    for (const logarithmic of [true, false]) {
      const svg = await chart({ points: list, logarithmic })
      assert.doesNotMatch(svg, /NaN|Infinity/)
    }
})
