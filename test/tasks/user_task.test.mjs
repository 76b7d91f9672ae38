// Tasks that users write: the keys that are read, and what is said of those that are wrong.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readUserTask } from '#lib/tasks/user_task'
import { temporaryFolder } from '../helpers/folders.mjs'

const BASE = {
  task: 'mine',
  output_type: 'multiple_choice',
  dataset_path: 'json',
  dataset_kwargs: { data_files: { test: 'test.jsonl', train: ['a.jsonl', 'b.jsonl'] } },
  test_split: 'test',
  training_split: 'train',
  doc_to_text: 'Q: {{question}}\n',
  doc_to_choice: ['yes', 'no'],
  doc_to_target: 'answer',
}

async function taskOf(keys) {
  const file = join(temporaryFolder(), 'mine.yaml')
  writeFileSync(file, typeof keys === 'string' ? keys : JSON.stringify({ ...BASE, ...keys }))
  return { task: await readUserTask(file), file }
}

test('templates, fields and lists give question and answers; line ends stay', async () => {
  const { task } = await taskOf({})
  assert.deepEqual(task.question({ question: 'x', answer: 'no' }, {}), {
    context: 'Q: x\n',
    answers: ['yes', 'no'],
    gold: 1,
  })
  const { task: other } = await taskOf({
    doc_to_text: 'question',
    doc_to_choice: '{{[options.a, options.b]}}',
    doc_to_target: '{{ right }}',
  })
  const record = { question: '{{ as it is }}', options: { a: 'A', b: 'B' }, right: 1 }
  assert.deepEqual(other.question(record, {}), { context: '{{ as it is }}', answers: ['A', 'B'], gold: 1 })
})

test('a target is a place, an answer, digits, or a list of them', async () => {
  const goldOf = async (doc_to_target, record = {}) =>
    (await taskOf({ doc_to_target })).task.question({ question: 'x', ...record }, {}).gold
  assert.equal(await goldOf(1), 1)
  assert.equal(await goldOf('answer', { answer: 'no' }), 1)
  assert.equal(await goldOf('answer', { answer: '1' }), 1)
  assert.deepEqual(await goldOf('answer', { answer: [0, 1] }), [0, 1])
  for (const answer of [2, -1, 'maybe', null, 0.5])
    await assert.rejects(goldOf('answer', { answer }), {
      code: 'ERR_DATA',
      message: /^doc_to_target: expected/,
    })
})

test('digits that a template makes are a place, as in the harness; those of a field the text of an answer', async () => {
  const numbers = { doc_to_choice: ['1', '2', '3', '4'] }
  const goldOf = async (doc_to_target, a) =>
    (await taskOf({ ...numbers, doc_to_target })).task.question({ question: 'x', a }, {}).gold
  // What doc_to_target and process_results of lm-evaluation-harness 0.4.13 make of them.
  for (const [target, a, gold] of [
    ['{{a}}', '2', 2],
    ['{{a}}', 2, 2],
    ['{{ a }}', '0', 0],
    ['2', 'x', 2],
    ['{% if a %}{{a}}{% endif %}', '1', 1],
    ['a', '2', 1],
    ['a', 2, 2],
    ['{{a}}', [0, 1], [0, 1]],
    ['[{{a}}]', '2', [2]],
    ['[{{a}}, 1]', '0', [0, 1]],
  ])
    assert.deepEqual(await goldOf(target, a), gold, `${target} of ${JSON.stringify(a)}`)
  await assert.rejects(goldOf('{{a}}', '4'), {
    code: 'ERR_DATA',
    message: /^doc_to_target: expected a place from 0 to 3, received 4$/,
    hint: /a field by its name/,
  })
  const { task } = await taskOf({ doc_to_choice: ['01', '02', '[1]'], doc_to_target: '{{a}}' })
  assert.equal(task.question({ question: 'x', a: '02' }, {}).gold, 1, 'Python reads no such number')
  assert.deepEqual(task.question({ question: 'x', a: '[1]' }, {}).gold, [1])
})

test('what stands before all else is a field or a template over the document, as in the harness', async () => {
  const described = async (keys, doc) => (await taskOf(keys)).task.descriptionOf?.(doc)
  for (const output of [{}, { output_type: 'generate_until', doc_to_choice: undefined }]) {
    const of = (description, doc) => described({ ...output, description }, doc)
    assert.equal(await of('', {}), undefined)
    assert.equal(await of('Say. \n', {}), 'Say. \n')
    assert.equal(await of('About {{subject}}: \n\n', { subject: 'birds' }), 'About birds: \n\n')
    assert.equal(await of('subject', { subject: 'birds{{x}}' }), 'birds{{x}}')
    assert.equal(await of('subject', { subject: null }), '')
    await assert.rejects(of('subject', { subject: 3 }), {
      code: 'ERR_DATA',
      message: /^description: expected a text/,
    })
    await assert.rejects(of('{{subject}}', {}), {
      message: /description of .*: the record has no field subject/,
    })
    await assert.rejects(of('{{subject', {}), { code: 'ERR_TEMPLATE' })
  }
})

test('files are beside the task file, whatever the folder that it is read from', async () => {
  const { task, file } = await taskOf({})
  const folder = join(file, '..')
  assert.deepEqual(task.source.paths, {
    test: [join(folder, 'test.jsonl')],
    train: [join(folder, 'a.jsonl'), join(folder, 'b.jsonl')],
  })
})

test('examples come from fewshot_split, else training_split, else validation_split, else what is evaluated', async () => {
  const data_files = { test: 't', validation: 'v', train: 'r', dev: 'd' }
  const shotsOf = async (keys) => (await taskOf({ dataset_kwargs: { data_files }, ...keys })).task.shots
  assert.deepEqual(await shotsOf({ fewshot_split: 'dev', fewshot_config: { sampler: 'first_n' } }), {
    split: 'dev',
    pick: 'first',
  })
  assert.deepEqual(await shotsOf({ validation_split: 'validation' }), { split: 'train', pick: 'random' })
  assert.deepEqual(await shotsOf({ training_split: null, fewshot_split: 'test' }), {
    ...{ split: 'test', pick: 'random', without_self: true },
  })
  const neither = { test_split: null, validation_split: 'validation', training_split: null }
  assert.deepEqual(await shotsOf(neither), { split: 'validation', pick: 'random', without_self: true })
  assert.deepEqual(await shotsOf({ num_fewshot: 0 }), { split: 'train', pick: 'random', none: true })
})

test('a wrong file is refused by key', async () => {
  const cases = [
    [{ doc_to_txt: 'x' }, /doc_to_txt: unknown key/, /'doc_to_text'/],
    [{ process_docs: 'x' }, /process_docs: unknown key/, /^/],
    [
      { output_type: 'loglikelihood' },
      /output_type: expected multiple_choice \| loglikelihood_rolling \| generate_until/,
      /^/,
    ],
    [
      { output_type: 'generate_until', doc_to_choice: undefined, metric_list: [{ metric: 'stop_rat' }] },
      /metric_list\.0\.metric: expected stop_rate.* with this output_type, received stop_rat/,
      /'stop_rate'/,
    ],
    ...[{}, { temperature: 0 }].map((more) => [
      {
        output_type: 'generate_until',
        doc_to_choice: undefined,
        generation_kwargs: { do_sample: true, ...more },
      },
      /generation_kwargs\.do_sample: expected a temperature above 0 with true, received none/,
      /temperature: 1/,
    ]),
    [{ generation_kwargs: { until: 3 } }, /generation_kwargs\.until: expected a text or a list/, /^/],
    [{ doc_to_target: undefined }, /doc_to_target: expected the right answer, received nothing/, /^/],
    [{ output_type: undefined }, /output_type: expected/, /^/],
    [{ test_split: undefined }, /test_split: expected the name of a split/, /^/],
    [{ test_split: 'tset' }, /dataset_kwargs\.data_files\.tset: expected a file/, /^/],
    [{ doc_to_choice: undefined }, /doc_to_choice: expected a list of answers/, /^/],
    [
      { metric_list: [{ metric: 'bits_per_byte' }] },
      /metric_list\.0\.metric: expected acc, acc_norm, acc_bytes with/,
      /^/,
    ],
    [{ metric_list: [{ metric: 'f1' }] }, /metric_list\.0\.metric: expected acc/, /^/],
    [
      { metric_list: [{ metric: 'constructor' }] },
      /metric_list\.0\.metric: expected acc.*received constructor/,
      /^/,
    ],
    [{ task: 'a b' }, /task: expected letters/, /^/],
    ...Object.entries({
      ...{ doc_to_language: 'lang', doc_to_part: 'kind', languages: { a: 'abc' }, refusal_phrases: ['no'] },
      ...{ judged: {}, generation_kwargs: { until: 'x' } },
    }).map(([key, value]) => [
      { [key]: value },
      new RegExp(`${key}: expected output_type generate_until with it, received multiple_choice$`),
      /Leave it out/,
    ]),
    [
      { output_type: 'generate_until', metric_list: [{ metric: 'stop_rate' }] },
      /doc_to_choice: expected output_type multiple_choice with it, received generate_until$/,
      /Leave it out/,
    ],
    ...Object.entries({
      ...{ ignore_case: true, ignore_punctuation: false, ignore_numbers: true },
      regexes_to_ignore: ['a'],
    }).map(([key, value]) => [
      { metric_list: [{ metric: 'acc_norm' }, { metric: 'acc', [key]: value }] },
      new RegExp(
        `metric_list\\.1\\.${key}: expected the metric exact_match or contains with it, received acc$`,
      ),
      /Leave it out/,
    ]),
  ]
  for (const [keys, message, hint] of cases)
    await assert.rejects(taskOf(keys), (error) => {
      assert.equal(error.code, 'ERR_CONFIG', error.message)
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      return true
    })
})

test('a field that a record has not, and a template that is none, are told by name', async () => {
  const { task } = await taskOf({ doc_to_text: '{{questoin}}' })
  assert.throws(() => task.question({ question: 'x' }, {}), {
    code: 'ERR_TEMPLATE',
    message: /doc_to_text of .*mine\.yaml: the record has no field questoin/,
    hint: /fields of the records/,
  })
  const { task: inner } = await taskOf({ doc_to_text: '{{question.stem}}' })
  assert.throws(() => inner.question({ question: { text: 'x' } }, {}), { message: /there is no stem/ })
  await assert.rejects(taskOf({ doc_to_text: '{{question' }), { code: 'ERR_TEMPLATE' })
})

test('texts are foretold whole', async () => {
  const keys = {
    output_type: 'loglikelihood_rolling',
    doc_to_choice: undefined,
    doc_to_target: '{{a}} {{b}}',
    metric_list: [{ metric: 'bits_per_byte' }],
  }
  const { task } = await taskOf(keys)
  assert.deepEqual(Object.keys(task.perplexities), ['bits_per_byte'])
  assert.equal(task.kind, 'rolling')
  assert.equal(task.text({ a: 'x', b: 'y' }), 'x y')
})
