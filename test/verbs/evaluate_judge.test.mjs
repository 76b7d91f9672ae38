// Answers that are judged: by a judge on this machine, who says what a test tells it to.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate } from 'tongueforge'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { judgmentsFile } from '#lib/verbs/judging/judgments'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { answerLine, writeLines, writeTinyJudging } from '../helpers/tiny_judging.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('evaluate with a judge', () => {
  const root = temporaryFolder()
  const data = join(root, 'data')
  const models = [join(root, 'first'), join(root, 'second')]
  const questions = writeTinyJudging(data)
  before(async () => {
    await writeTinyModel(models[0])
    await writeTinyModel(models[1], { seed: 2 })
  })

  let count = 0
  const config = ({ url }, { judge, ...more } = {}) => ({
    ...{ models: [models[0]], tasks: ['mt_bench'], data, out: join(root, `run${count++}`), threads: 1 },
    generation: { max_new_tokens: 6 },
    judge: { model: 'stub/1', url, retries: 0, ...judge },
    ...more,
  })
  const judgmentsIn = (out, name, task = 'mt_bench', mode = 'single') =>
    readFileSync(judgmentsFile(out, name, task, { judge: 'stub/1', mode }), 'utf8')
  const linesOf = (text) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  const figureOf = ({ results }, metric, model = 'first', task = 'mt_bench') =>
    results.find((row) => row.metric === metric && row.model === model && row.task === task)?.value
  const textsOf = (stub) => stub.requests.map(({ body }) => body.messages.at(-1).content)

  test('each turn is rated: the answers stand in the prompt, references where they belong', async (t) => {
    const stub = await startJudge(t, ({ messages }) =>
      /<U>/.test(messages.at(-1).content) ? '[[4]]' : '[[8]]',
    )
    const given = config(stub, { tasks: ['mt_bench', 'vicuna'] })
    const run = evaluate(given)
    const told = []
    for await (const { task, judge, metrics } of run) told.push([task, judge, Object.keys(metrics)[0]])
    const report = await run.result
    assert.deepEqual(told, [
      ['mt_bench', undefined, 'stop_rate'],
      ['vicuna', undefined, 'stop_rate'],
      ['mt_bench', 'stub/1', 'score'],
      ['vicuna', 'stub/1', 'score'],
    ])
    assert.equal(stub.requests.length, 12 + 6)
    assert.equal(report.judged, 18)
    assert.equal(figureOf(report, 'score'), 6)
    assert.equal(figureOf(report, 'score_turn_1'), 8)
    assert.equal(figureOf(report, 'score_turn_2'), 4)
    assert.equal(figureOf(report, 'score_math'), 6)
    assert.equal(figureOf(report, 'unrated'), 0)
    assert.equal(figureOf(report, 'score', 'first', 'vicuna'), 8)
    assert.equal(figureOf(report, 'score_turn_1', 'first', 'vicuna'), undefined)
    const [row] = report.results
    assert.deepEqual([row.metric, row.judge, row.documents], ['score', 'stub/1', 6])
    const samples = await readSamples(samplesFile(given.out, 'first', 'mt_bench'))
    const judgments = linesOf(judgmentsIn(given.out, 'first'))
    assert.equal(judgments.length, 12)
    for (const [i, { turn, category, template, messages }] of judgments.entries()) {
      const { turns } = samples[Math.floor(i / 2)]
      const text = messages.at(-1).content
      assert.ok(text.includes(turns[turn - 1].text.trim()))
      const right = ['math', 'coding', 'reasoning'].includes(category)
      assert.equal(template, `single${right ? '-math' : ''}-v1${turn === 2 ? '-multi-turn' : ''}`)
      assert.equal(text.includes('right: '), right)
      assert.ok(textsOf(stub).includes(text))
    }
    const { inputs } = JSON.parse(readFileSync(join(given.out, 'provenance.json'), 'utf8'))
    for (const name of [
      'judge_prompts.jsonl',
      'mt_bench/reference_answer/gpt-4.jsonl',
      'mt_bench/question.jsonl',
    ])
      assert.ok(
        inputs.some(({ path }) => path.endsWith(name)),
        name,
      )
  })

  test('answers are drawn at the temperature of their category', async (t) => {
    const stub = await startJudge(t)
    const sampled = config(stub)
    await evaluate(sampled).result
    const greedy = config(stub, { generation: { max_new_tokens: 6, temperature: 0 } })
    await evaluate(greedy).result
    const [drawn, best] = await Promise.all(
      [sampled, greedy].map(({ out }) => readSamples(samplesFile(out, 'first', 'mt_bench'))),
    )
    const differ = drawn.map(({ turns }, i) => turns[0].text !== best[i].turns[0].text)
    for (const [i, { category }] of questions.entries())
      if (['math', 'coding', 'reasoning'].includes(category)) assert.equal(differ[i], false, category)
    assert.ok(differ.some(Boolean))
  })

  test('a judge may come later, and another: nothing is written or asked again', async (t) => {
    const stub = await startJudge(t, () => '[[7]]')
    const { judge, ...plain } = config(stub)
    const { results } = await evaluate(plain).result
    assert.deepEqual([...new Set(results.map(({ metric }) => metric))], ['stop_rate', 'length_tokens'])
    const first = await evaluate({ ...plain, judge }, { resume: true }).result
    assert.deepEqual([first.measured, first.judged], [0, 12])
    const bytes = judgmentsIn(plain.out, 'first')
    const again = await evaluate({ ...plain, judge: { ...judge, concurrency: 1 } }, { resume: true }).result
    assert.deepEqual([again.measured, again.judged], [0, 0])
    const file = samplesFile(plain.out, 'first', 'mt_bench')
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"text":"', '"text":"\\n '))
    const blank = await evaluate({ ...plain, judge }, { resume: true }).result
    assert.equal(blank.judged, 0, 'blanks around an answer are not shown')
    const other = await evaluate({ ...plain, judge: { ...judge, model: 'stub/2' } }, { resume: true }).result
    assert.deepEqual([other.measured, other.judged], [0, 12])
    assert.equal(judgmentsIn(plain.out, 'first'), bytes)
    const told = { ...judge, language: 'German' }
    assert.equal((await evaluate({ ...plain, judge: told }, { resume: true }).result).judged, 12)
    for (const { body } of stub.requests.slice(-12))
      assert.match(body.messages[0].content, /\n\nThe user expects answers in German\./)
    const back = await evaluate({ ...plain, judge }, { resume: true }).result
    assert.equal(back.judged, 0, 'what was asked without a language is kept')
  })

  test('fewer questions, and all of them again: nothing is asked twice, and figures are of those that are asked', async (t) => {
    const stub = await startJudge(t, (_, i) => `[[${1 + (i % 9)}]]`)
    const given = config(stub, { judge: { concurrency: 1 } })
    const whole = await evaluate(given).result
    const bytes = judgmentsIn(given.out, 'first')
    const few = await evaluate({ ...given, limit: 2 }, { resume: true }).result
    assert.equal(few.judged, 0)
    assert.equal(few.results[0].documents, 2)
    assert.equal(figureOf(few, 'score'), (1 + 2 + 3 + 4) / 4)
    const lines = linesOf(judgmentsIn(given.out, 'first'))
    assert.deepEqual(
      lines.map(({ earlier = false }) => earlier),
      lines.map((_, i) => i >= 4),
    )
    const again = await evaluate(given, { resume: true }).result
    assert.equal(again.judged, 0)
    assert.deepEqual(again.results, whole.results)
    assert.equal(judgmentsIn(given.out, 'first'), bytes)
  })

  test('stopped while it judges and gone on with, it asks for the rest and writes the same bytes', async (t) => {
    const stub = await startJudge(t, ({ messages }) => `[[${messages.at(-1).content.length % 10}]]`)
    const whole = config(stub)
    const report = await evaluate(whole).result
    const given = config(stub, { judge: { concurrency: 1 } })
    const stop = new AbortController()
    const reason = new Error('enough')
    const asked = stub.requests.length
    const onKept = () => {
      if (stub.requests.length - asked === 5) stop.abort(reason)
    }
    await assert.rejects(evaluate(given, { signal: stop.signal, onKept }).result, (error) => error === reason)
    assert.equal(stub.requests.length - asked, 5)
    const rest = await evaluate(given, { resume: true }).result
    assert.deepEqual([rest.measured, rest.judged], [0, 7])
    assert.equal(stub.requests.length - asked, 12)
    assert.equal(judgmentsIn(given.out, 'first'), judgmentsIn(whole.out, 'first'))
    assert.deepEqual(rest.results, report.results)
  })

  test('two models are rated side by side and compared question by question', async (t) => {
    const stub = await startJudge(t, (_, i) => (i === 3 ? 'I cannot say.' : `[[${1 + (i % 9)}]]`))
    const { results } = await evaluate(config(stub, { models, judge: { concurrency: 1 } })).result
    const scores = results.filter(({ metric }) => metric === 'score')
    assert.deepEqual(
      scores.map(({ model }) => model),
      ['first', 'second'],
    )
    assert.equal(scores[0].difference, undefined)
    const { value, stderr, interval } = scores[1].difference
    assert.ok(Math.abs(interval[1] - value - 1.959963984540054 * stderr) < 1e-12)
    const unrated = results.filter(({ metric }) => metric === 'unrated').map((row) => row.value)
    assert.deepEqual(unrated, [1, 0])
  })

  test('pairs are shown in both orders: a judge who takes the first place always ties', async (t) => {
    const stub = await startJudge(t, () => '[[A]]')
    const given = config(stub, { models, judge: { mode: 'pairwise' } })
    const report = await evaluate(given).result
    assert.equal(stub.requests.length, 24)
    assert.equal(figureOf(report, 'tie_rate', 'second'), 1)
    assert.equal(figureOf(report, 'adjusted_win_rate', 'second'), 0.5)
    assert.equal(figureOf(report, 'agreement', 'second'), 0)
    assert.equal(figureOf(report, 'win_rate', 'first'), undefined)
    assert.equal(existsSync(join(given.out, 'judgments/first')), false)
    const [one, two] = linesOf(judgmentsIn(given.out, 'second', 'mt_bench', 'pairwise'))
    assert.deepEqual([one.order, two.order], ['model_first', 'baseline_first'])
    const between = (text, name) => new RegExp(`<${name}>([^]*)</${name}>`).exec(text)[1]
    const [first, second] = [one, two].map(({ messages }) => messages.at(-1).content)
    assert.equal(between(first, 'A'), between(second, 'B'))
    assert.equal(between(first, 'B'), between(second, 'A'))
  })

  test('a file of answers is a baseline too', async (t) => {
    const stub = await startJudge(t, ({ messages }) => {
      const text = messages.at(-1).content
      return text.indexOf('somebody says') < text.indexOf('</A>') || /^A: .*somebody says.*$/m.test(text)
        ? '[[B]]'
        : '[[A]]'
    })
    const file = join(root, 'somebody.jsonl')
    const lines = questions.map(({ question_id, turns }) =>
      answerLine(
        question_id,
        turns.map(() => 'somebody says'),
      ),
    )
    writeLines(file, lines)
    const judge = { mode: 'pairwise', baseline: file }
    const given = config(stub, { judge })
    const report = await evaluate(given).result
    assert.equal(figureOf(report, 'win_rate'), 1)
    assert.equal(figureOf(report, 'agreement'), 1)
    const samples = samplesFile(given.out, 'first', 'mt_bench')
    const itself = config(stub, { judge: { mode: 'pairwise', baseline: samples } })
    await evaluate(itself).result
    const between = (text, name) => new RegExp(`<${name}>([^]*)</${name}>`).exec(text)[1]
    const [{ messages }] = linesOf(judgmentsIn(itself.out, 'first', 'mt_bench', 'pairwise'))
    const shown = messages.at(-1).content
    assert.equal(between(shown, 'A'), between(shown, 'B'), 'samples are answers too')
    const inside = { ...given, judge: { ...given.judge, baseline: samples } }
    await assert.rejects(evaluate(inside, { overwrite: true }).result, {
      code: 'ERR_USAGE',
      message: /received the input .*samples_mt_bench\.jsonl in it/,
    })
    writeLines(file, lines.slice(1))
    await assert.rejects(evaluate(config(stub, { judge })).result, {
      code: 'ERR_DATA',
      message: /mt_bench: .*somebody\.jsonl: question 81: expected answers to 2 turns, found 0/,
    })
  })

  test('a task file is MT-Bench in another language, beside the English one', async (t) => {
    const stub = await startJudge(t)
    const taskFile = (name, keys) => {
      const file = join(root, `${name}.yaml`)
      const task = {
        ...{ task: name, output_type: 'generate_until', dataset_path: 'json', test_split: 'test' },
        dataset_kwargs: { data_files: { test: join(data, 'mt_bench/question.jsonl') } },
        judged: { references: 'data/mt_bench/reference_answer/gpt-4.jsonl', language: 'Japanese' },
        ...keys,
      }
      writeFileSync(file, JSON.stringify(task))
      return file
    }
    const greedy = { generation_kwargs: { do_sample: false } }
    const tasks = ['mt_bench', taskFile('mt_bench_jp'), taskFile('mt_bench_greedy', greedy)]
    const given = config(stub, { tasks, limit: 3 })
    const report = await evaluate(given).result
    for (const task of ['mt_bench', 'mt_bench_jp', 'mt_bench_greedy'])
      assert.equal(figureOf(report, 'score', 'first', task), 5)
    const told = (task) =>
      linesOf(judgmentsIn(given.out, 'first', task)).map(({ messages }) => messages[0].content)
    for (const content of told('mt_bench_jp')) assert.match(content, /expects answers in Japanese/)
    for (const content of told('mt_bench')) assert.doesNotMatch(content, /expects/)
    const answers = async (task) =>
      (await readSamples(samplesFile(given.out, 'first', task))).map(({ turns }) => turns[0].text)
    assert.deepEqual(await answers('mt_bench_jp'), await answers('mt_bench'))
    assert.notDeepEqual(await answers('mt_bench_greedy'), await answers('mt_bench'))
    const refused = (keys, code, message) =>
      assert.rejects(evaluate(config(stub, { tasks: [taskFile('refused', keys)] })).result, { code, message })
    await refused(
      { doc_to_text: 'turns' },
      'ERR_CONFIG',
      /doc_to_text: expected nothing beside judged, received "turns"/,
    )
    await refused({ judged: {} }, 'ERR_DATA', /refused: question 82: expected a reference answer/)
    await assert.rejects(evaluate(config(stub, { judge: { instruction: 'Mind {language}.' } })).result, {
      code: 'ERR_CONFIG',
      message: /judge\.language: expected a language, as judge\.instruction names it/,
    })
  })

  test('a model without a chat template is asked in plain text, with a warning', async (t) => {
    const stub = await startJudge(t)
    const path = join(root, 'plain')
    await writeTinyModel(path)
    rmSync(join(path, 'chat_template.jinja'))
    const warnings = []
    const onWarning = (message) => warnings.push(message)
    const given = config(stub, { models: [path, models[0]], limit: 1 })
    await evaluate(given, { onWarning }).result
    assert.deepEqual(warnings, ['plain has no chat template: questions are put to it as plain text'])
    const [{ turns, doc }] = await readSamples(samplesFile(given.out, 'plain', 'mt_bench'))
    assert.equal(turns[0].prompt, doc.turns[0])
  })

  test('a dry run tells how often a judge is asked, and asks nobody', async (t) => {
    const stub = await startJudge(t)
    const foretold = async (more) =>
      (await evaluate(config(stub, more), { dryRun: true }).result).tasks.map(({ judgments }) => judgments)
    const tasks = ['mt_bench', 'vicuna']
    assert.deepEqual(await foretold({ models, tasks }), [12, 6, 12, 6])
    assert.deepEqual(await foretold({ models, tasks, limit: 2, judge: { mode: 'pairwise' } }), [0, 0, 8, 4])
    assert.equal(stub.requests.length, 0)
  })

  test('a judge that fails leaves what was told, and no report', async (t) => {
    const stub = await startJudge(t, (_, i) => (i < 3 ? '[[5]]' : { status: 500, body: 'gone' }))
    const given = config(stub, { judge: { concurrency: 1 } })
    await assert.rejects(evaluate(given).result, { code: 'ERR_JUDGE', message: /500: gone/ })
    assert.equal(existsSync(join(given.out, 'report.json')), false)
    assert.equal(linesOf(judgmentsIn(given.out, 'first')).length, 3)
    const again = await startJudge(t)
    const rest = await evaluate({ ...given, judge: { ...given.judge, url: again.url } }, { resume: true })
      .result
    assert.equal(rest.judged, 9)
    const [file, ...none] = readdirSync(join(given.out, 'judgments/first'))
    assert.match(file, /^judgments_mt_bench_stub_1-[0-9a-f]{8}_single\.jsonl$/)
    assert.deepEqual(none, [])
  })

  test('a key stands in no file of the run', async (t) => {
    const key = 'sk-secret-9876543210'
    process.env.TONGUEFORGE_TEST_KEY = key
    const stub = await startJudge(t, () => `I know ${key}. [[6]]`)
    const given = config(stub, { judge: { api_key_env: 'TONGUEFORGE_TEST_KEY' } })
    const report = await evaluate(given).result
    delete process.env.TONGUEFORGE_TEST_KEY
    assert.equal(figureOf(report, 'score'), 6)
    assert.equal(stub.requests[0].headers.authorization, `Bearer ${key}`)
    for (const entry of readdirSync(given.out, { recursive: true, withFileTypes: true }))
      if (entry.isFile())
        assert.doesNotMatch(
          readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'),
          /secret/,
          entry.name,
        )
  })
})
