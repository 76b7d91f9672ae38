// Which table of the papers a task stands in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paperTables } from '#lib/verbs/reporting/kinds/evaluate'
import { primaryRows } from '#lib/verbs/reporting/paper_tables'

/** By table, the tasks in it. */
function tablesOf(metrics) {
  const rows = Object.entries(metrics).map(([task, metric]) => ({ task, metric, model: 'm', value: 0.5 }))
  return Object.fromEntries(
    paperTables(['m'], rows, '1').map(({ file, columns }) => [
      file,
      columns.slice(1).map(({ title }) => title.split(',')[0]),
    ]),
  )
}

test('what a task measures puts it into a table, whatever a user calls it', () => {
  const tables = tablesOf({
    language_alignment: 'language_alignment',
    'ceval-valid': 'acc',
    natural_language_inference: 'acc',
    related: 'exact_match',
    own_languages: 'language_alignment',
    said_no: 'refusal_rate',
    safety_word: 'contains',
    perplexity_words: 'exact_match',
    german: 'byte_perplexity',
    mt_bench: 'score',
    my_questions: 'score',
  })
  assert.deepEqual(tables, {
    '1-language': ['language_alignment', 'own_languages'],
    '1-reliability': ['said_no'],
    '1-knowledge': ['ceval-valid'],
    '1-instructions': ['mt_bench', 'my_questions'],
    '1-texts': ['german'],
    '1-others': ['natural_language_inference', 'related', 'safety_word', 'perplexity_words'],
  })
})

test('benchmarks that come along stand where the papers have them', () => {
  const tables = tablesOf({
    ...{ truthfulqa_mc2: 'acc', toxigen: 'toxicity', bold: 'sentiment', real_toxicity_prompts: 'toxic_rate' },
    ...{ arc_easy: 'acc_norm', tmmluplus: 'acc', wikitext: 'word_perplexity', vicuna: 'stop_rate' },
  })
  assert.deepEqual(tables, {
    '1-reliability': ['truthfulqa_mc2', 'toxigen', 'bold', 'real_toxicity_prompts'],
    '1-knowledge': ['arc_easy', 'tmmluplus'],
    '1-instructions': ['vicuna'],
    '1-texts': ['wikitext'],
  })
})

test('the parts of a group that is there are left out, and what a user calls like one is not', () => {
  const row = (task, more) => ({ task, metric: 'acc', model: 'm', value: 0.5, ...more })
  const own = [row('mmlu_de'), row('mmlu_held_out', { metric: 'bits_per_byte' }), row('xcopa_mine')]
  const parts = [row('mmlu_anatomy'), row('mmlu_virology')]
  const names = (rows) => primaryRows(rows).map(({ task }) => task)
  const groups = [row('mmlu', { group: true }), row('mmlu_stem', { group: true })]
  assert.deepEqual(names([...groups, ...parts, ...own]), [
    'mmlu',
    'mmlu_stem',
    'mmlu_de',
    'mmlu_held_out',
    'xcopa_mine',
  ])
  assert.deepEqual(
    names([...parts, ...own]),
    [...parts, ...own].map(({ task }) => task),
    'without a group all stay',
  )
  const unasked = [row('xcopa', { group: true }), row('xcopa_it'), ...parts]
  assert.deepEqual(names(unasked), ['xcopa', 'mmlu_anatomy', 'mmlu_virology'])
})
