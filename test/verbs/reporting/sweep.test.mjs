// What the page of a sweep says that was done.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import kinds from '#lib/verbs/reporting/kinds/sweep'

const { default: sweep } = kinds

const point = { step: 1, scales: { all: 0.5 }, values: { loss: 1 }, score: 1 }
const report = { by: 'model', search: 'grid', points: [point], best: point, within_limits: true, pareto: [] }
const sentence = async (config) => {
  const read = await sweep.read({ path: 'run', config: { verb: 'sweep', ...config }, report })
  return sweep.summary(read).sentence
}

test('a sweep of two models tells their difference, one of a delta its name', async () => {
  const target = 'models/ours/model'
  assert.match(
    await sentence({ target, base: 'm/base', chat: 'm/chat' }),
    /^ours \+ scale × \(chat − base\), measured at 1 point/,
  )
  assert.match(
    await sentence({ target, delta: 'deltas/polite' }),
    /^ours \+ scale × polite, measured at 1 point/,
  )
})
