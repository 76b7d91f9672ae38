// Fronts, the table, and the page of points that are made up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { csvText } from '#lib/report/csv'
import { COSTS, costsOf, frontsOf } from '#lib/verbs/landscaping/costs'
import { landscapePage } from '#lib/verbs/landscaping/page'
import { reportOf } from '#lib/verbs/landscaping/report'
import { rowsOf } from '#lib/verbs/landscaping/table'

let step = 0
const point = (technique, rate, loss, size) => ({
  ...{ step: step++, point: rate === null ? technique : `${technique}-${rate}`, technique, rate },
  ...{ inputs_sha256: 'a', loss, perplexity: Math.exp(loss), seconds: 3 },
  parameters: { total: 1000, nonzero: 1000 * size },
  bytes: 4000 * size,
  macs: { tokens: 16, core: 2000, superb: 2100, effective: { core: 2000 * size, superb: 2100 * size } },
  speed: {
    ...{ prefill_seconds: { min: 0.01, median: 0.02 }, decode_seconds: { min: 0.001, median: 0.002 } },
    ...{ request_seconds: { min: 0.1, median: 0.2 }, prefill_relative: size, request_relative: size },
  },
  loads_in: 'transformers',
})
const POINTS = [
  point('original', null, 2, 1),
  point('magnitude', 0.3, 2.1, 0.7),
  point('magnitude', 0.5, 2.6, 0.5),
  point('<rows>', 0.5, 2.4, 0.5),
]
const config = {
  model: 'm',
  evaluate: { data: [{ path: 'some/where/a & b.txt' }], sequence_length: 64 },
  measure: { tokens: 16, new_tokens: 4, warmup: 1, repeats: 3, threads: 1 },
}
const broken = {
  ...{ step: 9, point: 'bad-1', technique: 'bad', rate: 1, inputs_sha256: 'a' },
  error: { code: 'ERR_CONFIG', message: 'expected <less>', hint: 'none' },
}
const session = { kind: 'decoder', measured: 5, seconds: 1 }
const report = reportOf([...POINTS, broken], config, session)
const COST_NAMES = costsOf('decoder')
const loss = (point) => point.loss

test('a front holds what no other point beats, cheapest first, and nothing else', () => {
  assert.deepEqual(report.fronts.parameters, ['<rows>-0.5', 'magnitude-0.3', 'original'])
  assert.deepEqual(report.fronts.macs, ['original'], 'where all cost the same the best is alone')
  const numbers = fc.record({ loss: fc.integer({ min: 0, max: 5 }), size: fc.integer({ min: 1, max: 6 }) })
  fc.assert(
    fc.property(fc.array(numbers, { minLength: 1, maxLength: 12 }), (list) => {
      const all = list.map(({ loss, size }, i) => point('t', i, loss, size))
      const fronts = frontsOf(all, COST_NAMES, loss)
      for (const cost of COST_NAMES) {
        const of = COSTS[cost].of
        const beaten = (one) =>
          all.some(
            (other) =>
              other.loss <= one.loss &&
              of(other) <= of(one) &&
              (other.loss < one.loss || of(other) < of(one)),
          )
        const expected = all.filter((one) => !beaten(one)).map((one) => one.point)
        assert.deepEqual(new Set(fronts[cost]), new Set(expected))
      }
    }),
  )
})

test('a loss that is no number is on no front and in no chart', async () => {
  const lost = { ...point('lost', 1, 0, 0.1), loss: null, perplexity: null }
  const fronts = frontsOf([...POINTS, lost], COST_NAMES, loss)
  assert.deepEqual(fronts, report.fronts)
  const html = await landscapePage(reportOf([...POINTS, lost], config, session), config)
  assert.doesNotMatch(html.match(/<svg[\s\S]*<\/svg>/)[0], /NaN|lost/)
  assert.match(html, /<td>lost 1<\/td><td>-<\/td>/)
})

test('the table has every number under its path, quoted as CSV asks', () => {
  const text = csvText(rowsOf(report.points, report.fronts))
  const [head, ...lines] = text.split('\r\n')
  const keys = head.split(',')
  assert.deepEqual(keys.slice(0, 5), ['point', 'technique', 'rate', 'loss', 'perplexity'])
  for (const key of [
    'parameters.nonzero',
    'macs.effective.core',
    'speed.decode_seconds.median',
    'front.bytes',
  ])
    assert.ok(keys.includes(key), key)
  assert.equal(lines.length, POINTS.length + 1)
  assert.equal(lines[1].split(',')[keys.indexOf('parameters.nonzero')], '700')
  assert.equal(
    csvText([
      { a: 'x, "y"', b: null },
      { a: 1, c: true },
    ]),
    'a,b,c\r\n"x, ""y""",,\r\n1,,true\r\n',
  )
})

const heard = (one, factor) => ({
  ...one,
  macs: { ...one.macs, tokens: 249, seconds: 5 },
  speed: {
    ...{ ...one.speed, decode_seconds: null, prefill_relative: factor, request_relative: factor },
    real_time_factor: { min: 0.002 * factor, median: 0.003 },
  },
})
const dense = { parameters: { total: 1000, nonzero: 500 }, bytes: 4000 }
const SOUNDS = [
  heard(POINTS[0], 1),
  heard({ ...POINTS[1], ...dense }, 0.97),
  heard({ ...POINTS[2], ...dense }, 1.02),
  heard({ ...POINTS[3], parameters: { total: 600, nonzero: 600 }, bytes: 2400 }, 0.5),
]
const ofSound = { ...config, measure: { seconds: 5, warmup: 1, repeats: 3, threads: 1, new_tokens: 4 } }

test('of speech it is pre-training loss against parameters, MACs and the real-time factor', async () => {
  const spoken = reportOf(SOUNDS, ofSound, { ...session, kind: 'speech' })
  assert.deepEqual(spoken.fronts, {
    all_parameters: ['<rows>-0.5', 'original'],
    parameters: ['magnitude-0.3', 'original'],
    macs: ['original'],
    rtf: ['<rows>-0.5', 'magnitude-0.3', 'original'],
  })
  const html = await landscapePage(spoken, ofSound)
  for (const cost of costsOf('speech'))
    assert.ok(html.includes(`aria-label="pre-training loss against ${COSTS[cost].title}"`), cost)
  assert.doesNotMatch(html, /perplexity (?!of)|Perplexity|a token more/)
  assert.match(html, /<th>MACs, core<\/th><th>MACs, SUPERB<\/th>/)
  assert.match(html, /&lt;rows&gt; 0.5: pre-training loss 2.4, real-time factor 0.001/)
  assert.match(html, /<td>0.00194<\/td>/)
  assert.match(html, /MACs are those of 5 s of sound, 249 places/)
  assert.match(html, /cross-entropy of the clusters of hidden places in nats/)
})

test('errors of probes have charts, a column and fronts of their own; a model without states is on none', async () => {
  const probed = (name, kind, test) => ({
    ...{ name, kind, label: 'x', layers: 'weighted', classes: 2, layer_weights: [1] },
    ...{ train: { n: 8, loss: 1 }, test: { n: 4, nll: 0.5, ...test } },
  })
  const withProbes = SOUNDS.map((one, i) => ({
    ...one,
    probes: [
      probed('digit', 'utterance', { accuracy: [0.9, 0.8, 0.7, 0.85][i] }),
      probed('phones', 'sequence', { error_rate: [0.1, 0.2, 1.3, 0.1][i] }),
      probed('places', 'frames', { frame_accuracy: 0.5 }),
    ],
  }))
  withProbes[1].probes = null
  const names = ['digit', 'phones', 'places']
  const asked = { ...ofSound, probe: { probes: names.map((name) => ({ name })) } }
  const spoken = reportOf(withProbes, asked, { ...session, kind: 'speech' })
  assert.deepEqual(spoken.probe_fronts.digit.all_parameters, ['<rows>-0.5', 'original'])
  assert.deepEqual(spoken.probe_fronts.digit.parameters, ['magnitude-0.5', '<rows>-0.5', 'original'])
  assert.deepEqual(spoken.probe_fronts.phones.all_parameters, ['<rows>-0.5'])
  assert.deepEqual(spoken.probe_fronts.places.macs, ['original', 'magnitude-0.5', '<rows>-0.5'])
  const html = await landscapePage(spoken, asked)
  assert.equal(html.match(/<svg /g).length, 4 * 4)
  for (const name of names)
    for (const cost of costsOf('speech'))
      assert.ok(html.includes(`aria-label="error of ${name} against ${COSTS[cost].title}"`), name + cost)
  assert.match(html, /digit, the share of wrong utterances of 4 utterances/)
  assert.match(html, /phones, the share of wrong tokens, by edits/)
  assert.match(html, /<td>10.0 %<\/td>/)
  assert.match(html, /<td>130.0 %<\/td>/)
  assert.doesNotMatch(html, /NaN|undefined/)
  const [head, ...lines] = csvText(rowsOf(withProbes, spoken.fronts)).split('\r\n')
  const digit = head.split(',').indexOf('probe.digit.error')
  assert.deepEqual(
    lines.slice(0, 4).map((line) => line.split(',')[digit]),
    [0.9, '', 0.7, 0.85].map((accuracy) => (accuracy === '' ? '' : String(1 - accuracy))),
  )
})

test('that zeros are not skipped is said with what they took, and only where some model has them', async () => {
  const html = await landscapePage(reportOf(SOUNDS, ofSound, { ...session, kind: 'speech' }), ofSound)
  assert.match(html, /zeros are multiplied like all other numbers, not skipped\. The 2 models/)
  assert.match(html, /take 0\.97 to 1\.02 of its time, and as many MACs/)
  const cut = [SOUNDS[0], SOUNDS[3]]
  const without = await landscapePage(reportOf(cut, ofSound, { ...session, kind: 'speech' }), ofSound)
  assert.doesNotMatch(without, /Zeroed weights/)
})

test('of a text encoder it is pre-training loss too, in the costs of text', async () => {
  const read = reportOf(POINTS, config, { ...session, kind: 'encoder' })
  const html = await landscapePage(read, config)
  assert.match(html, /aria-label="pre-training loss against bytes on disk"/)
  assert.match(html, /cross-entropy of hidden tokens in nats/)
  assert.doesNotMatch(html, /a token more|real-time/)
})

test('the page is one file: four charts with their fronts, the table, what failed, and no address to fetch from', async () => {
  const html = await landscapePage(report, config)
  assert.equal(html.match(/<svg /g).length, 4)
  for (const cost of COST_NAMES) {
    assert.ok(html.includes(`>${COSTS[cost].title}<`), cost)
    assert.ok(html.includes(`aria-label="perplexity against ${COSTS[cost].title}"`), cost)
  }
  for (const text of ['&lt;rows&gt; 0.5', 'a &amp; b.txt', 'ERR_CONFIG: expected &lt;less&gt;', 'loads in'])
    assert.ok(html.includes(text), text)
  assert.doesNotMatch(html, /<rows>|some\/where/)
  const addresses = [...html.matchAll(/(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)/g)].map(([, to]) => to)
  for (const to of addresses) assert.match(to, /^(data:|#)/, 'no address but its own')
  assert.equal((html.match(/https?:\/\/(?!www\.w3\.org)/g) ?? []).length, 0)
  assert.match(html, /prefers-color-scheme: dark/)
  assert.match(html, /name="viewport" content="width=device-width/)
  assert.equal(html, await landscapePage(report, config), 'equal reports are equal pages')
})
