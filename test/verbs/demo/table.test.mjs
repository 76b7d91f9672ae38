// The demo's table, out of what an adaptation has measured.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableOf } from '#lib/verbs/demo/table'

/** All that is measured of a model: `value(task, metric)`. */
const resultsOf = (model, value) =>
  ['a', 'b'].flatMap((language) =>
    Object.entries({
      answers: ['exact_match', 'language_alignment', 'stop_rate', 'repeated_4grams'],
      harm: ['refusal_rate', 'language_alignment', 'stop_rate'],
      texts: ['word_perplexity', 'byte_perplexity'],
    }).flatMap(([set, metrics]) =>
      metrics.map((metric) => ({
        ...{ model, task: `${set}_${language}`, metric, value: value(`${set}_${language}`, metric) },
        documents: { answers: 76, harm: 24, texts: 64 }[set],
      })),
    ),
  )

test('each measure is that of its task, metric and language', () => {
  const known = {
    'answers_b exact_match': 0.5,
    'harm_b refusal_rate': 0.25,
    'answers_a repeated_4grams': 0.125,
    'texts_a word_perplexity': 7,
  }
  const [row] = tableOf(resultsOf('cp', (task, metric) => known[`${task} ${metric}`] ?? 0))
  const told = Object.fromEntries(Object.entries(row).filter(([, value]) => value !== 0))
  assert.deepEqual(told, { model: 'cp', ok_b: 0.5, ref_b: 0.25, rep_a: 0.125, ppl_a: 7 })
})

test('over questions and harmful requests, each prompt counts once', () => {
  const [row] = tableOf(resultsOf('cp', (task) => (task.startsWith('answers') ? 1 : 0)))
  assert.equal(row.stop_a, 0.76)
  assert.equal(row.lid_b, 0.76)
})

test('models keep their order, and the start is the chat model', () => {
  const results = ['start', 'org_cp', 'cp_vector_0.25'].flatMap((model) => resultsOf(model, () => 0))
  assert.deepEqual(
    tableOf(results).map(({ model }) => model),
    ['chat', 'org_cp', 'cp_vector_0.25'],
  )
})
