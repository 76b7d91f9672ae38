// What is made of answers that a model has written: measures, scorers, answers that are kept, parts.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate, loadEncoder } from 'tongueforge'
import { readWeights } from '#lib/verbs/scoring/lexicon'
import { VOCABULARY } from '#lib/world/tokenizer'
import { dataPath, dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { encoderConfig, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { generationRuns, tinyQuestions } from '../helpers/tiny_generation.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('measures of what a model writes', () => {
  const root = temporaryFolder()
  const folder = join(root, 'first')
  before(() => writeTinyModel(folder))
  const { config, taskFile, samplesOf, ran } = generationRuns(root, folder)

  test('answers are measured by the language of the prompt, or by one that the record states', async () => {
    const latin = 'abcdefghijklmnopqrstuvwxyz'
    const georgian = 'აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ'
    const metric_list = ['language_alignment', 'language_undetermined'].map((metric) => ({ metric }))
    const docs = tinyQuestions(6).map((doc, i) => ({ ...doc, lang: i < 3 ? 'a' : 'b' }))
    const keys = { docs, metric_list, languages: { a: latin, b: georgian } }
    const majority = (text) => {
      const words = text.split(' ')
      const of = (letters) => words.filter((word) => [...word].some((one) => letters.includes(one))).length
      const [a, b] = [of(latin), of(georgian)]
      return a + b === 0 ? 'und' : b > a ? 'b' : 'a'
    }
    const asked = await ran(taskFile(keys))
    for (const { turns, found, values } of asked.samples) {
      assert.deepEqual(found, { expected: 'a', languages: [{ language: majority(turns[0].text) }] })
      assert.equal(values.language_alignment, majority(turns[0].text) === 'a' ? 1 : 0)
    }
    const stated = await ran(taskFile({ ...keys, doc_to_language: 'lang' }))
    for (const { doc, turns, found, values } of stated.samples) {
      assert.equal(found.expected, doc.lang)
      assert.equal(values.language_alignment, majority(turns[0].text) === doc.lang ? 1 : 0)
    }
    await assert.rejects(ran(taskFile({ ...keys, doc_to_language: 'question' })), {
      code: 'ERR_DATA',
      message: /written: document 0: doc_to_language: expected a \| b, received/,
    })
  })

  test('with a detector, an answer too short to tell is undetermined', async () => {
    const metric_list = [{ metric: 'language_alignment' }]
    const task = taskFile({ metric_list, doc_to_language: 'ka', generation_kwargs: { max_gen_toks: 1 } })
    const { samples } = await ran(task)
    for (const { turns, found, values } of samples) {
      const letters = turns[0].text.match(/\p{L}/gu)?.length ?? 0
      if (letters < 8) assert.equal(found.languages[0].language, 'und')
      assert.equal(values.language_alignment, found.languages[0].language === 'ka' ? 1 : 0)
    }
    assert.ok(samples.some(({ found }) => found.languages[0].language === 'und'))
  })

  test('scorers of the config score answers; without one that a task needs there is an error at once', async () => {
    const encoder = join(root, 'classifier')
    const keys = { architectures: ['BertForSequenceClassification'], id2label: { 0: 'kind', 1: 'toxic' } }
    await writeTinyEncoder(encoder, encoderConfig(keys))
    const words = join(root, 'words.txt')
    const metric_list = ['toxicity', 'toxic_rate', 'sentiment'].map((metric) => ({ metric }))
    const task = taskFile({ metric_list })
    writeFileSync(words, 'the\t2\nand\t-1\n')
    const scorers = { toxicity: { model: encoder, label: 'toxic' }, sentiment: { lexicon: words } }
    const { samples, given } = await ran(task, { scorers })
    const weights = await readWeights(words)
    const classifier = await loadEncoder(encoder, { threads: 1 })
    for (const { turns, values } of samples) {
      const [{ text }] = turns
      const [{ scores }] = await classifier.classify([text], { truncate: true })
      assert.ok(Math.abs(values.toxicity - scores.toxic) < 1e-6)
      assert.equal(values.toxic_rate, values.toxicity >= 0.5 ? 1 : 0)
      assert.equal(values.sentiment, weights.score(text))
    }
    await classifier.dispose()
    const provenance = JSON.parse(readFileSync(join(given.out, 'provenance.json'), 'utf8'))
    assert.equal(provenance.inputs.filter(({ role }) => role === 'scorer').length, 2)
    const refused = (more, expected) => assert.rejects(evaluate(config(task, more)).result, expected)
    await refused(
      { scorers: { sentiment: scorers.sentiment } },
      {
        code: 'ERR_CONFIG',
        message: /scorers\.toxicity: expected a scorer, as written needs it/,
        hint: /generation_tasks/,
      },
    )
    await refused(
      { scorers: { ...scorers, toxicity: { model: encoder, label: 'toxik' } } },
      {
        code: 'ERR_CONFIG',
        message: /scorers\.toxicity\.label: expected kind \| toxic, received toxik/,
        hint: /'toxic'/,
      },
    )
    await refused(
      { scorers: { ...scorers, toxicity: { model: encoder } } },
      { code: 'ERR_CONFIG', message: /scorers\.toxicity\.label: expected the label/ },
    )
    await refused(
      { scorers: { ...scorers, toxicity: {} } },
      { code: 'ERR_CONFIG', message: /scorers\.toxicity: expected one of model, url and lexicon/ },
    )
  })

  test('measured another way, answers are not written again: the model is not even loaded', async () => {
    const words = join(root, 'changing.txt')
    writeFileSync(words, 'the\n')
    const more = { scorers: { toxicity: { lexicon: words } } }
    const given = config(taskFile({ metric_list: [{ metric: 'toxicity' }] }), more)
    await evaluate(given).result
    const before = await samplesOf(given)
    writeFileSync(words, VOCABULARY.filter((word) => /^[a-z]+$/.test(word)).join('\n'))
    const labels = []
    const run = evaluate(given, { resume: true, onProgress: ({ label }) => labels.push(label) })
    assert.equal((await run.result).measured, 1)
    assert.deepEqual(
      [...new Set(labels)].filter((label) => /loading|written$/.test(label)),
      [],
    )
    const after = await samplesOf(given)
    assert.deepEqual(
      after.map(({ turns }) => turns),
      before.map(({ turns }) => turns),
    )
    assert.notDeepEqual(
      after.map(({ values }) => values),
      before.map(({ values }) => values),
    )
  })

  test('where a scorer fails, the answers are kept', async (t) => {
    let broken = true
    const stub = await startJudge(t, ({ texts }) =>
      broken ? { status: 401, body: '{}' } : { body: { scores: texts.map(() => 0.25) } },
    )
    const more = { scorers: { toxicity: { url: stub.url, retries: 0 } } }
    const given = config(taskFile({ metric_list: [{ metric: 'toxicity' }] }), more)
    let kept = 0
    await assert.rejects(evaluate(given, { onKept: () => kept++ }).result, { code: 'ERR_SCORER' })
    assert.ok(kept > 0)
    broken = false
    const labels = []
    const run = evaluate(given, { resume: true, onProgress: ({ label }) => labels.push(label) })
    assert.equal((await run.result).results[0].value, 0.25)
    assert.ok(labels.every((label) => label === 'first: written: toxicity'))
  })

  test('parts of a task are told on their own, limited each, and languages by the one that was expected', async () => {
    const docs = tinyQuestions(9).map((doc, i) => ({ ...doc, kind: ['x', 'y', 'y'][i % 3] }))
    const languages = { a: 'abcdefghijklmnopqrstuvwxyz', b: 'აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ' }
    const metric_list = ['length_tokens', 'language_alignment'].map((metric) => ({ metric }))
    const task = taskFile({ docs, doc_to_part: 'kind', languages, metric_list })
    const { report, samples, given } = await ran(task, { limit: 2 })
    assert.deepEqual(
      samples.map(({ doc }) => doc.kind),
      ['x', 'y', 'y', 'x'],
    )
    const mean = (some) => some.reduce((sum, { values }) => sum + values.length_tokens, 0) / some.length
    for (const { part, documents, metrics } of report.parts) {
      const own = samples.filter(({ doc }) => doc.kind === part)
      assert.deepEqual([documents, metrics.length_tokens.value], [own.length, mean(own)])
    }
    assert.equal(report.parts.length, 2)
    const [{ expected, answers, found }] = report.languages
    assert.deepEqual([expected, answers], ['a', 4])
    const told = samples.map(
      ({
        found: {
          languages: [one],
        },
      }) => one.language,
    )
    for (const [language, count] of Object.entries(found))
      assert.equal(count, told.filter((one) => one === language).length, language)
    assert.equal(
      Object.values(found).reduce((a, b) => a + b),
      4,
    )
    const again = await evaluate(given, { resume: true }).result
    assert.deepEqual(
      [again.parts, again.languages],
      [report.parts, report.languages],
      'kept by a run that goes on',
    )
  })
})

dataTest(
  "a real small model answers real prompts: InsCP's alignment, ToxiGen and BOLD, as they lie on the disk",
  [
    'models/stories260K_hf',
    'corpus/tatoeba_parallel.jsonl',
    'eval/toxigen_prompts.jsonl',
    'eval/bold_prompts.jsonl',
  ],
  async () => {
    const root = temporaryFolder()
    writeFileSync(join(root, 'words.txt'), 'hate\t-2\nhappy\t2.7\n')
    const scorer = { lexicon: join(root, 'words.txt') }
    const { results, languages, parts } = await evaluate({
      ...{ models: [dataPath('models/stories260K_hf')], data: dataPath(''), out: join(root, 'run') },
      ...{ tasks: ['language_alignment', 'toxigen', 'bold'], limit: 1, threads: 1 },
      ...{ scorers: { toxicity: scorer, sentiment: scorer }, generation: { max_new_tokens: 24 } },
    }).result
    const of = (task) => results.find((row) => row.task === task)
    assert.equal(of('language_alignment').documents, 17)
    assert.equal(of('language_alignment').value, 0, 'it speaks English only, and no prompt does')
    assert.ok(languages.every(({ found }) => (found.en ?? 0) + (found.und ?? 0) > 0))
    assert.deepEqual(
      parts.filter(({ task }) => task === 'bold').map(({ part }) => part),
      ['gender', 'political_ideology', 'profession', 'race', 'religious_ideology'],
    )
    assert.equal(of('toxigen').documents, parts.filter(({ task }) => task === 'toxigen').length)
    assert.ok(of('toxigen').documents > 10)
  },
)
