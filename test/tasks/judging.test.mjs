// Prompts that cannot be made, and what judgments come to. What prompts are to the letter: test/golden/judging.
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { findSplit, readSplit } from '#lib/tasks/data'
import { openQuestion, readAnswers } from '#lib/tasks/judging/answers'
import { settingsOfCategory } from '#lib/tasks/judging/conversation'
import { FormatText } from '#lib/tasks/judging/format'
import { instructionOf, promptsOf } from '#lib/tasks/judging/prompt'
import { byQuestion, scoresOf } from '#lib/tasks/judging/scores'
import { JudgeTemplates } from '#lib/tasks/judging/templates'
import { agreed } from '#lib/tasks/judging/verdict'
import { stderrOfMean } from '#lib/tasks/metrics'
import { chooseTasks } from '#lib/tasks/registry'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'

const golden = new URL('../golden/judging/', import.meta.url)
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} and ${b}`)

describe('templates', () => {
  const root = temporaryFolder()
  let count = 0
  const templates = async (edit = (row) => row, mode = 'single') => {
    const file = join(root, `prompts${count++}.jsonl`)
    const rows = readFileSync(new URL('judge_prompts.jsonl', golden), 'utf8').trim().split('\n')
    const edited = rows.flatMap((row) => edit(JSON.parse(row)) ?? [])
    writeFileSync(file, edited.map((row) => `${JSON.stringify(row)}\n`).join(''))
    return JudgeTemplates.read(file, mode)
  }
  const refused = async (edit, message) =>
    assert.rejects(
      async () => (await templates(edit)).of('writing', 1),
      (error) => {
        assert.equal(error.code, 'ERR_DATA')
        assert.match(error.message, message)
        assert.match(error.hint, /./)
        return true
      },
    )
  const changing = (name, change) => (row) => (row.name === name ? { ...row, ...change } : row)

  test('one that is missing or of another kind is an error that names file and template', async () => {
    await refused(
      (row) => (row.name === 'single-v1' ? undefined : row),
      /prompts\d+\.jsonl: expected the template single-v1, found pair-v2, /,
    )
    await refused(
      changing('single-v1', { output_format: '[[A]]' }),
      /single-v1: expected output_format \[\[rating\]\], received "\[\[A\]\]"/,
    )
    await refused(
      changing('single-v1', { prompt_template: '{question} {answer_2}' }),
      /single-v1: expected \{question\}, \{answer\}, \{ref_answer_1\}, received \{answer_2\}/,
    )
    await refused(
      changing('single-v1', { prompt_template: '{question} { }' }),
      /prompt_template: expected names in braces.*received a lone \{/,
    )
    await refused(changing('single-v1', { prompt_template: 5 }), /prompt_template: expected text, received 5/)
    await refused(
      changing('single-v1', { system_prompt: undefined }),
      /system_prompt: expected text, received nothing/,
    )
    await assert.rejects(JudgeTemplates.read(join(root, 'none.jsonl'), 'single'), { code: 'ERR_NOT_FOUND' })
  })

  test('a template of your own may show a reference with every question: it is then asked for', async () => {
    const own = await templates(
      changing('single-v1', { prompt_template: '{question} {ref_answer_1} is a 10. {answer}' }),
    )
    const question = { id: '1', category: 'writing', turns: ['Q {answer}'] }
    const [{ messages }] = promptsOf(question, ['A'], { reference: ['R'] }, own)
    assert.equal(messages.at(-1).content, 'Q {answer} R is a 10. A')
    for (const reference of [undefined, []])
      assert.throws(() => promptsOf(question, ['A'], { reference }, own), {
        code: 'ERR_DATA',
        message: /question 1: expected a reference answer to turn 1, as the template single-v1/,
      })
  })

  test('what is said of the language ends the turn of the system, in our words or yours', async () => {
    const question = { id: '1', category: 'writing', turns: ['Q', 'P'] }
    const systems = async (instruction, edit) =>
      promptsOf(question, ['A', 'B'], {}, await templates(edit), instruction).map(({ messages }) =>
        messages[0].role === 'system' ? messages[0].content : undefined,
      )
    assert.deepEqual(await systems(undefined), ['You help.', 'Judge {the second turn}.\n\n'])
    const ours = instructionOf({ language: 'Traditional Chinese' })
    assert.match(ours, /answers in Traditional Chinese/)
    assert.doesNotMatch(ours, /\{/)
    assert.deepEqual(await systems(ours), [`You help.\n\n${ours}`, `Judge {the second turn}.\n\n${ours}`])
    assert.equal(instructionOf({ language: 'German', instruction: 'Mind {language}!' }), 'Mind German!')
    assert.equal(instructionOf({ instruction: 'Mind manners.' }), 'Mind manners.')
    assert.equal(instructionOf({}), undefined)
    const silent = (row) => ({ ...row, system_prompt: '' })
    assert.deepEqual(await systems(undefined, silent), [undefined, undefined])
    assert.deepEqual(await systems('Mind!', silent), ['Mind!', 'Mind!'])
  })

  test('braces fill as Python fills them, and what is filled in is left alone', () => {
    assert.equal(new FormatText('{{{a}}} {b}{a}', 'x').fill({ a: '{b}$&', b: '}}' }), '{{b}$&} }}{b}$&')
    for (const text of ['{', '}', '{a', 'a}', '{}', '{a b}', '{a.b}', '{{}'])
      assert.throws(() => new FormatText(text, 'x'), { code: 'ERR_DATA' })
  })
})

describe('records', () => {
  test('of another layout are refused with the field, and in files with the line', async () => {
    const good = { question_id: 1, category: 'math', turns: ['a', 'b'] }
    for (const [change, message] of [
      [{ question_id: null }, /question_id: expected a number or text/],
      [{ category: 3 }, /category: expected text, received 3/],
      [{ turns: 'a' }, /turns: expected a list of texts/],
      [{ turns: [] }, /turns: expected one text or two/],
      [{ turns: ['a', 'b', 'c'] }, /turns: expected one text or two/],
    ])
      assert.throws(() => openQuestion({ ...good, ...change }), { code: 'ERR_DATA', message })
    const file = join(temporaryFolder(), 'answers.jsonl')
    for (const choices of [undefined, [], [{}], [{ turns: [1] }], 'x']) {
      copyFileSync(new URL('model_answer.jsonl', golden), file)
      writeFileSync(file, `${readFileSync(file, 'utf8')}${JSON.stringify({ question_id: 8, choices })}\n`)
      await assert.rejects(readAnswers(file), {
        code: 'ERR_DATA',
        message: /answers\.jsonl:8: choices\[0\]\.turns: expected a list of texts/,
      })
    }
  })
})

describe('scores', () => {
  const rated = (...rows) =>
    rows.map(([question_id, turn, rating, category = 'math']) => ({ question_id, turn, rating, category }))
  const pair = (question_id, turn, first, second, category = 'math') => [
    { question_id, turn, category, winner: first },
    { question_id, turn, category, winner: second },
  ]

  test('a mean over all that is rated, of each turn and of each category', () => {
    const found = scoresOf(rated(['1', 1, 8], ['1', 2, 6], ['2', 1, 4, 'writing'], ['2', 2, null, 'writing']))
    assert.deepEqual(Object.keys(found), [
      'score',
      'score_turn_1',
      'score_turn_2',
      'score_math',
      'score_writing',
      'unrated',
    ])
    assert.equal(found.score.value, 6)
    assert.equal(found.score_turn_1.value, 6)
    assert.equal(found.score_turn_2.value, 6)
    assert.equal(found.score_math.value, 7)
    assert.deepEqual(found.score_writing, { value: 4, stderr: null })
    assert.deepEqual(found.unrated, { value: 1, stderr: null })
    assert.deepEqual(scoresOf(rated(['1', 1, null])).score, { value: null, stderr: null })
    assert.deepEqual(Object.keys(scoresOf(rated(['1', 1, 3]))), ['score', 'score_math', 'unrated'])
  })

  test('its deviation is that of the means of questions, where each has as many turns', () => {
    const seed = Date.now() % 1e6
    const scores = fc.array(fc.tuple(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 10 })), {
      minLength: 2,
    })
    fc.assert(
      fc.property(scores, (all) => {
        const judgments = all.flatMap(([one, two], i) => rated([`${i}`, 1, one], [`${i}`, 2, two]))
        const { score } = scoresOf(judgments)
        const means = all.map(([one, two]) => (one + two) / 2)
        close(score.stderr, stderrOfMean(means))
        assert.deepEqual([...byQuestion(judgments).values()], means)
      }),
      { seed },
    )
  })

  test('a win counts where both orders agree; a tie is half of one', () => {
    const all = [
      ...pair('1', 1, 'model', 'model'),
      ...pair('2', 1, 'baseline', 'baseline'),
      ...pair('3', 1, 'model', 'baseline'),
      ...pair('4', 1, 'tie', 'tie'),
      ...pair('5', 1, 'model', 'tie'),
      ...pair('6', 1, 'model', null),
    ]
    const found = scoresOf(all)
    assert.equal(Object.keys(found)[0], 'adjusted_win_rate')
    close(found.win_rate.value, 1 / 5)
    close(found.loss_rate.value, 1 / 5)
    close(found.tie_rate.value, 3 / 5)
    close(found.adjusted_win_rate.value, 1 / 2)
    close(found.agreement.value, 3 / 5)
    assert.equal(found.unrated.value, 1)
    assert.equal(byQuestion(all).has('6'), false)
  })

  test('laws of pairs: seen from the other side wins are losses; a judge who takes the first place always ties', () => {
    const seed = Date.now() % 1e6
    const winner = fc.constantFrom('model', 'baseline', 'tie', null)
    const turned = { model: 'baseline', baseline: 'model', tie: 'tie', null: null }
    fc.assert(
      fc.property(fc.array(fc.tuple(winner, winner), { minLength: 1 }), (all) => {
        const mine = scoresOf(all.flatMap(([one, two], i) => pair(`${i}`, 1, one, two)))
        const theirs = scoresOf(all.flatMap(([one, two], i) => pair(`${i}`, 1, turned[two], turned[one])))
        if (all.every((both) => both.includes(null))) return
        close(mine.win_rate.value, theirs.loss_rate.value)
        close(mine.adjusted_win_rate.value, 1 - theirs.adjusted_win_rate.value)
        close(mine.win_rate.value + mine.loss_rate.value + mine.tie_rate.value, 1)
      }),
      { seed },
    )
    const biased = Array.from({ length: 9 }, (_, i) => pair(`${i}`, 1, 'model', 'baseline')).flat()
    const { tie_rate, agreement, adjusted_win_rate } = scoresOf(biased)
    assert.deepEqual([tie_rate.value, agreement.value, adjusted_win_rate.value], [1, 0, 0.5])
    assert.equal(agreed(['model', 'tie']), 'tie')
  })
})

describe('the benchmarks as they are published', () => {
  const NAMES = ['questions', 'reference_gpt4']
  for (const [task, turns, references] of [
    ['mt_bench', 2, 30],
    ['vicuna', 1, 10],
  ])
    dataTest(
      `${task}: 80 questions, each turn a prompt, references where they belong`,
      ['eval/judge_prompts.jsonl', ...NAMES.map((name) => `eval/${task}_${name}.jsonl`)],
      async (_, [prompts, questions, answers]) => {
        const data = dirname(prompts)
        const [{ source, split, conversation, judged }] = (await chooseTasks([task])).tasks
        const found = await findSplit(data, source, split)
        assert.deepEqual(found.files, [questions])
        assert.ok(judged.references.map((path) => join(data, path)).includes(answers))
        const docs = await readSplit(found)
        assert.equal(docs.length, 80)
        const right = await readAnswers(answers)
        for (const mode of ['single', 'pairwise']) {
          const templates = await JudgeTemplates.read(prompts, mode)
          const made = docs.map(openQuestion).map((question) => {
            assert.equal(conversation(docs[0]).later.length, turns - 1)
            const said = question.turns.map((turn, i) => `answer ${i} {to} ${turn}`)
            const other = {
              reference: right.get(question.id),
              ...(mode === 'pairwise' && { baseline: said.map((one) => `no ${one}`) }),
            }
            return { question, prompts: promptsOf(question, said, other, templates) }
          })
          const each = mode === 'single' ? turns : 2 * turns
          assert.equal(made.flatMap((one) => one.prompts).length, 80 * each)
          const math = made.filter((one) => one.prompts[0].template.includes('math'))
          assert.equal(math.length, references)
          for (const { question, prompts: all } of made)
            for (const { messages, turn } of all) {
              const { content } = messages.at(-1)
              assert.ok(content.includes(`answer ${turn - 1} {to} ${question.turns[turn - 1]}`))
              assert.doesNotMatch(content.replaceAll('{to}', ''), /\{(question|answer|ref)/)
              const reference = right.get(question.id)?.[turn - 1]
              assert.equal(
                reference !== undefined && content.includes(reference),
                math.some((one) => one.question === question),
              )
            }
        }
      },
    )
})

test('a category that is no name of the table is answered as all others, whatever it is called', () => {
  for (const category of ['constructor', '__proto__', 'travel'])
    assert.deepEqual(settingsOfCategory(category), { temperature: 0.7 }, category)
  assert.deepEqual(settingsOfCategory('math'), { temperature: 0 })
})
