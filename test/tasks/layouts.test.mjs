// Where the documents of each task lie and how their records look: on the hub, and as their authors published them.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parquetWriteFile } from 'hyparquet-writer'
import { findSplit, listedOnce, readSplit } from '#lib/tasks/data'
import { TASKS } from '#lib/tasks/registry'
import { DocTemplate } from '#lib/text/doc_template'
import { temporaryFolder } from '../helpers/folders.mjs'

const taskOf = (name) => TASKS.find((task) => task.name === name)
const TEXTS = { doc_to_text: new DocTemplate('Q: {{question}}\nA:', 'test') }

/** Writes a file below a new folder and gives the question of its first record. */
async function asked(name, path, content, split = taskOf(name).split) {
  const data = temporaryFolder()
  mkdirSync(dirname(join(data, path)), { recursive: true })
  writeFileSync(join(data, path), content)
  const task = taskOf(name)
  const docs = await readSplit(await findSplit(data, task.source, split))
  return readBy(task, docs[0])
}

function readBy(task, doc) {
  if (task.kind === 'generation') return { ...task.conversation(doc), part: task.partOf?.(doc) }
  return task.kind === 'rolling' ? task.text(doc) : task.question(doc, TEXTS)
}

test('a folder is listed once for all tasks that look into it', async () => {
  const listed = []
  const list = listedOnce(async (folder) => {
    listed.push(folder)
    return ['anatomy_test.csv', 'virology_test.csv'].map((name) => join(folder, name))
  })
  for (const name of ['mmlu_anatomy', 'mmlu_virology', 'mmlu_anatomy']) {
    const { source, split } = taskOf(name)
    const { files } = await findSplit('data', source, split, list)
    assert.deepEqual(files, [join(listed[0], `${name.replace('mmlu_', '')}_test.csv`)])
  }
  assert.equal(new Set(listed).size, listed.length)
})

const line = (record) => `${JSON.stringify(record)}\n`

test('ARC, of the hub and of the Allen Institute', async () => {
  const expected = { context: 'Question: Why?\nAnswer:', answers: ['so', 'no'], gold: 1 }
  const hub = { question: 'Why?', choices: { text: ['so', 'no'], label: ['A', 'B'] }, answerKey: 'B' }
  const choices = [
    { text: 'so', label: '1' },
    { text: 'no', label: '2' },
  ]
  const own = { id: 'x', question: { stem: 'Why?', choices }, answerKey: '2' }
  assert.deepEqual(await asked('arc_easy', 'ai2_arc/ARC-Easy/test.jsonl', line(hub)), expected)
  assert.deepEqual(await asked('arc_easy', 'ai2_arc/ARC-Easy/test.json', JSON.stringify([hub])), expected)
  const challenge = 'ARC-V1-Feb2018/ARC-Challenge/ARC-Challenge-Test.jsonl'
  assert.deepEqual(await asked('arc_challenge', challenge, line(own)), expected)
})

test('HellaSwag, of the hub and as published; marks go, and the blanks that go with them', async () => {
  const record = {
    activity_label: 'Baking',
    ctx_a: 'A man [step] stirs.',
    ctx_b: 'he',
    endings: ['x [title] y', ' z'],
  }
  const expected = { context: 'Baking: A man stirs. He', answers: ['x. y', 'z'], gold: 1 }
  assert.deepEqual(
    await asked('hellaswag', 'hellaswag/hellaswag_val.jsonl', line({ ...record, label: 1 })),
    expected,
  )
  const packed = gzipSync(line({ ...record, label: '1' }))
  assert.deepEqual(await asked('hellaswag', 'hellaswag/data/validation.jsonl.gz', packed), expected)
})

test('MMLU, of the hub and as tables without a head', async () => {
  const expected = {
    context: 'Is it?\nA. a,b\nB. b\nC. c\nD. d\nAnswer:',
    answers: ['A', 'B', 'C', 'D'],
    gold: 2,
  }
  const hub = { question: ' Is it? ', subject: 'anatomy', choices: ['a,b', 'b', 'c', 'd'], answer: 2 }
  assert.deepEqual(await asked('mmlu_anatomy', 'mmlu/anatomy/test.jsonl', line(hub)), expected)
  const table = 'Is it?,"a,b",b,c,d,C\n'
  assert.deepEqual(await asked('mmlu_anatomy', 'mmlu/test/anatomy_test.csv', table), expected)
  const head = `question,A,B,C,D,answer\n${table}`
  assert.deepEqual(await asked('mmlu_anatomy', 'hendrycks_test/data/test/anatomy_test.csv', head), expected)
})

test('a split in parts of Parquet is read in order, and whole', async () => {
  const data = temporaryFolder()
  const folder = join(data, 'mmlu/anatomy')
  mkdirSync(folder, { recursive: true })
  for (const part of [1, 0]) {
    await parquetWriteFile({
      filename: join(folder, `test-0000${part}-of-00002.parquet`),
      columnData: [
        { name: 'question', data: [`part ${part}`], type: 'STRING' },
        { name: 'choices', data: [['a', 'b', 'c', 'd']], type: 'JSON' },
        { name: 'answer', data: [BigInt(part)], type: 'INT64' },
      ],
    })
  }
  writeFileSync(join(folder, 'test.jsonl'), line({ question: 'not this' }))
  const task = taskOf('mmlu_anatomy')
  const docs = await readSplit(await findSplit(data, task.source, 'test'))
  assert.deepEqual(
    docs.map((doc) => task.question(doc, {}).context.split('\n')[0]),
    ['part 0', 'part 1'],
  )
  assert.equal(task.question(docs[1], {}).gold, 1)
})

test('a split of which parts are missing is refused, by their names; so are parts of two splittings', async () => {
  const data = temporaryFolder()
  const folder = join(data, 'hellaswag')
  mkdirSync(folder, { recursive: true })
  const part = (number, total, ending = '.jsonl') => {
    const name = `validation-${String(number).padStart(5, '0')}-of-${String(total).padStart(5, '0')}${ending}`
    const row = line({ part: number })
    writeFileSync(join(folder, name), ending.endsWith('.gz') ? gzipSync(row) : row)
  }
  const found = async () => readSplit(await findSplit(data, taskOf('hellaswag').source, 'validation'))
  part(0, 3)
  await assert.rejects(found(), {
    code: 'ERR_NOT_FOUND',
    message:
      /validation-00001-of-00003\.jsonl, .*validation-00002-of-00003\.jsonl: expected all 3 parts of the split, found 1$/,
    hint: /hf download/,
  })
  part(2, 3)
  await assert.rejects(found(), { code: 'ERR_NOT_FOUND', message: /00001-of-00003\.jsonl: .* found 2$/ })
  part(1, 3, '.jsonl.gz')
  part(2, 3, '.jsonl.gz')
  assert.deepEqual(await found(), [{ part: 0 }, { part: 1 }, { part: 2 }], 'packed as well: each once')
  part(3, 3)
  await assert.rejects(found(), {
    code: 'ERR_DATA',
    message: /00003-of-00003\.jsonl: expected a part of 3, numbered from 0 or from 1$/,
  })
  rmSync(join(folder, 'validation-00003-of-00003.jsonl'))
  part(0, 2)
  part(1, 2)
  await assert.rejects(found(), {
    code: 'ERR_DATA',
    message: /expected parts of one split, found .* beside it/,
    hint: /earlier download/,
  })
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  part(2, 2)
  await assert.rejects(found(), { code: 'ERR_NOT_FOUND', message: /00001-of-00002\.jsonl: .* found 1$/ })
  part(1, 2)
  assert.deepEqual(await found(), [{ part: 1 }, { part: 2 }], 'some count from 1')
  const many = join(data, 'many/hellaswag')
  mkdirSync(many, { recursive: true })
  writeFileSync(join(many, 'validation-00002-of-90000.jsonl'), line({}))
  await assert.rejects(findSplit(join(data, 'many'), taskOf('hellaswag').source, 'validation'), {
    code: 'ERR_NOT_FOUND',
    message:
      /00000-of-90000\.jsonl, .*00001-of-90000\.jsonl, .*00003-of-90000\.jsonl and 89996 more: .* found 1$/,
  })
})

test('TMMLU+ and C-Eval, as tables with a head', async () => {
  const table = 'question,A,B,C,D,answer\n何?,甲,乙,丙,丁,B\n'
  const expected = {
    context: '何?\nA. 甲\nB. 乙\nC. 丙\nD. 丁\nAnswer:',
    answers: ['A', 'B', 'C', 'D'],
    gold: 1,
  }
  assert.deepEqual(await asked('tmmluplus_accounting', 'tmmluplus/data/accounting_test.csv', table), expected)
  const more = 'id,question,A,B,C,D,answer,explanation\n0,何?,甲,乙,丙,丁,B,\n'
  assert.deepEqual(await asked('ceval-valid_law', 'ceval-exam/val/law_val.csv', more), {
    ...expected,
    context: expected.context.replace('Answer:', '答案：'),
  })
})

test('TruthfulQA, of the hub and as published', async () => {
  const hub = { choices: ['yes', 'no', 'maybe'], labels: [1, 0, 1] }
  const own = { yes: 1, no: 0, maybe: 1 }
  for (const [path, targets] of [
    ['truthful_qa/multiple_choice/validation.jsonl', hub],
    ['TruthfulQA/data/v1/mc_task.json', own],
  ]) {
    const record = line({ question: 'Why?', mc1_targets: targets, mc2_targets: targets })
    const content = path.endsWith('.json') ? `[${record}]` : record
    const expected = { context: 'Q: Why?\nA:', answers: ['yes', 'no', 'maybe'] }
    assert.deepEqual(await asked('truthfulqa_mc1', path, content), { ...expected, gold: 0 })
    assert.deepEqual(await asked('truthfulqa_mc2', path, content), { ...expected, gold: [0, 2] })
  }
  const digits = '[{ "question": "How many?", "mc1_targets": { "Twelve": 1, "7": 0 } }]'
  const { answers, gold } = await asked('truthfulqa_mc1', 'TruthfulQA/mc_task.json', digits)
  assert.equal(answers[gold], 'Twelve')
})

test('WinoGrande and XCOPA, of the hub and as published', async () => {
  const sentence = 'Ann met Sue because _ was early .'
  const record = line({ sentence, option1: 'Ann', option2: 'Sue', answer: '2' })
  const expected = {
    context: ['Ann met Sue because Ann', 'Ann met Sue because Sue'],
    answers: ['was early .', 'was early .'],
    gold: 1,
  }
  for (const path of ['winogrande/winogrande_xl/validation.jsonl', 'winogrande_1.1/dev.jsonl'])
    assert.deepEqual(await asked('winogrande', path, record), expected)
  const xcopa = { premise: '我跑。', choice1: 'İyi.', choice2: 'Und so.', question: 'effect', label: 1 }
  for (const path of ['xcopa/zh/test.jsonl', 'xcopa/data/zh/test.zh.jsonl'])
    assert.deepEqual(await asked('xcopa_zh', path, line(xcopa)), {
      context: '我跑 所以',
      answers: ['i̇yi.', 'und so.'],
      gold: 1,
    })
})

test('a page of wikitext is put back into plain writing, and counted as it was', async () => {
  const page =
    ' = Title = \n \n He said " so , " in 1 @,@ 000 ( or so ) @-@ day . It \'s the dogs \' n of ° 5 .'
  const path = 'wikitext_document_level/wikitext-2-raw-v1/wikitext-2-raw-v1-test.jsonl'
  const text = await asked('wikitext', path, line({ page }))
  assert.equal(text, ' = Title =\n\nHe said "so," in 1,000 (or so)-day. It\'s the dogs\' n of°5 .')
  assert.equal(taskOf('wikitext').counted({ page }), page)
})

test('sentences by language, under the names that they are found by', async () => {
  const expected = { messages: [{ role: 'user', content: '你好' }], language: 'zh-Hant', part: 'zh-Hant' }
  const record = line({ lang: 'cmn_hant', text: '你好' })
  for (const path of [
    'language_alignment/test.jsonl',
    'corpus/tatoeba_parallel.jsonl',
    'udhr_all_langs.jsonl',
  ])
    assert.deepEqual(await asked('language_alignment', path, record), expected, path)
})

test('ToxiGen, RealToxicityPrompts and BOLD: prompts as published, without the blanks behind them', async () => {
  const content = (text) => [{ role: 'user', content: text }]
  const toxigen = line({ group: 'asian', kind: 'neutral', prompt: '- a\n- b\n-' })
  assert.deepEqual(await asked('toxigen', 'eval/toxigen_prompts.jsonl', toxigen), {
    ...{ messages: content('- a\n- b\n-'), part: 'asian' },
  })
  const web = { challenging: true, prompt: { text: 'So I', toxicity: 0.2 }, continuation: { text: ' x' } }
  assert.deepEqual(await asked('real_toxicity_prompts', 'real-toxicity-prompts/prompts.jsonl', line(web)), {
    ...{ messages: content('So I'), part: 'challenging' },
  })
  const bold = { messages: content('Ann Lee is a '.trim()), scored_behind: 'Ann Lee is a ', part: 'gender' }
  const flat = { domain: 'gender', name: 'Ann_Lee', prompt: 'Ann Lee is a ' }
  assert.deepEqual(await asked('bold', 'eval/bold_prompts.jsonl', line(flat)), bold)
  const hub = {
    domain: 'gender',
    name: 'Ann_Lee',
    prompts: ['Ann Lee is a ', 'Lee was '],
    wikipedia: ['x', 'y'],
  }
  assert.deepEqual(await asked('bold', 'bold/test.jsonl', line(hub)), bold)
})

test('one split never stands for another', async () => {
  const data = temporaryFolder()
  for (const [folder, file] of [
    ['winogrande_1.1', 'dev.jsonl'],
    ['mmlu/anatomy', 'test.jsonl'],
  ]) {
    mkdirSync(join(data, folder), { recursive: true })
    writeFileSync(join(data, folder, file), '')
  }
  const missing = { code: 'ERR_NOT_FOUND' }
  await assert.rejects(findSplit(data, taskOf('winogrande').source, 'train'), missing)
  await assert.rejects(findSplit(data, taskOf('mmlu_anatomy').source, 'dev'), missing)
})

test('a split that is missing is told with the folder, the usual names and what is there', async () => {
  const data = temporaryFolder()
  mkdirSync(join(data, 'hellaswag'), { recursive: true })
  writeFileSync(join(data, 'hellaswag/train.jsonl'), '')
  await assert.rejects(findSplit(data, taskOf('hellaswag').source, 'validation'), (error) => {
    assert.equal(error.code, 'ERR_NOT_FOUND')
    assert.match(error.message, /hellaswag: expected the split validation, as .*hellaswag\/validation,/)
    assert.match(error.hint, /holds hellaswag\. docs\/evaluate\.md#data/)
    return true
  })
})

test('a record of another layout is refused by the field and what stands there', () => {
  const cases = [
    ['arc_easy', { question: 'Why?' }, /choices: expected a table, received nothing/],
    ['hellaswag', { ctx_a: 'a', ctx_b: 3 }, /ctx_b: expected text, received 3/],
    [
      'mmlu_anatomy',
      { question: 'q', choices: ['a'], answer: 0 },
      /choices: expected four texts, received \["a"\]/,
    ],
    [
      'mmlu_anatomy',
      { question: 'q', choices: ['a', 'b', 'c', 'd'], answer: 4 },
      /answer: expected A, B, C, D, or 0 to 3/,
    ],
    ...[null, false, true, [], ['B'], '1', 1.5].map((answer) => [
      'mmlu_anatomy',
      { question: 'q', choices: ['a', 'b', 'c', 'd'], answer },
      /answer: expected A, B, C, D, or 0 to 3/,
    ]),
    ...[undefined, null, 'C', 'A,B'].map((answerKey) => [
      'arc_easy',
      { question: 'Why?', choices: { text: ['so', 'no'], label: ['A', 'B'] }, answerKey },
      /answerKey: expected one of A, B, received/,
    ]),
    ...[' ', '0x1', -1, 2, '2', null, true].map((label) => [
      'hellaswag',
      { activity_label: 'x', ctx_a: 'a', ctx_b: 'b', endings: ['c', 'd'], label },
      /label: expected a whole number from 0 to 1, received/,
    ]),
    [
      'truthfulqa_mc1',
      { question: 'q', mc1_targets: { choices: ['a'], labels: [] } },
      /a label for each choice/,
    ],
    [
      'truthfulqa_mc1',
      { question: 'q', mc1_targets: { choices: ['a'], labels: [0] } },
      /mc1_targets\.labels: expected a label 1, received \[0\]/,
    ],
    ['winogrande', { sentence: 'no blank', answer: '1' }, /sentence: expected a text with a blank _/],
    [
      'winogrande',
      { sentence: 'a _', option1: 'a', option2: 'b', answer: '' },
      /answer: expected a whole number/,
    ],
    ['xcopa_et', { premise: 'x', question: 'why' }, /question: expected cause or effect, received "why"/],
    ['wikitext', { text: 'x' }, /page: expected text, received nothing/],
    ['language_alignment', { text: 'x' }, /lang: expected text, received nothing/],
    ['toxigen', { prompt: 'x' }, /group: expected text, received nothing/],
    ['bold', { domain: 'x', prompts: [] }, /prompt: expected text, received nothing/],
    ['real_toxicity_prompts', { prompt: 3 }, /prompt: expected a table, received 3/],
  ]
  for (const [name, record, message] of cases) {
    const task = taskOf(name)
    assert.throws(() => readBy(task, record), { code: 'ERR_DATA', message }, name)
  }
})
