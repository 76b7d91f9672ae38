// MT-Bench in pairs, from files to scores, on templates laid out as FastChat's are: marks around each part, references in
// those of math, whole conversations in those of the second turn. The words are made up.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { evaluate } from 'tongueforge'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { writeLines, writeTinyJudging } from '../helpers/tiny_judging.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const part = (name, text) => `[The Start of ${name}]\n${text}\n[The End of ${name}]`
const talk = (name, ...turns) =>
  `<|The Start of ${name}|>\n\n${turns.map(([who, text]) => `### ${who}:\n${text}`).join('\n\n')}\n\n<|The End of ${name}|>`

const conversation = (side) =>
  talk(
    `Assistant ${side.toUpperCase()}'s Conversation with User`,
    ...['1', '2'].flatMap((turn) => [
      ['User', `{question_${turn}}`],
      [`Assistant ${side.toUpperCase()}`, `{answer_${side}_${turn}}`],
    ]),
  )
const REFERENCES = talk(
  'Reference Answer',
  ...['1', '2'].flatMap((turn) => [
    ['User', `{question_${turn}}`],
    ['Reference answer', `{ref_answer_${turn}}`],
  ]),
)
const ANSWERS = ['a', 'b'].map((side) => part(`Assistant ${side.toUpperCase()}'s Answer`, `{answer_${side}}`))
const ASKED = '[User Question]\n{question}'

const TEMPLATES = {
  'pair-v2': [ASKED, ...ANSWERS],
  'pair-v2-multi-turn': [conversation('a'), conversation('b')],
  'pair-math-v1': [ASKED, part('Reference Answer', '{ref_answer_1}'), ...ANSWERS],
  'pair-math-v1-multi-turn': [REFERENCES, conversation('a'), conversation('b')],
}
const prompts = Object.entries(TEMPLATES).map(([name, parts]) => ({
  ...{
    name,
    type: 'pairwise',
    description: `made up for ${name}`,
    category: /math/.test(name) ? 'math' : 'general',
  },
  system_prompt: 'Say which of two assistants helps more: "[[A]]", "[[B]]", or "[[C]]" for a tie.',
  ...{ prompt_template: parts.join('\n\n'), output_format: '[[A]]' },
}))

/** What stands between two marks. */
function between(text, start, end) {
  const from = text.indexOf(start)
  assert.ok(from >= 0, `${start} in\n${text}`)
  return text.slice(from + start.length, text.indexOf(end, from)).trim()
}

/** The answer to its turn that one side of a prompt shows. */
function shown(text, side, turn) {
  if (turn === 1) return between(text, `[The Start of Assistant ${side}'s Answer]`, '[The End of')
  const [first, second] = between(text, `<|The Start of Assistant ${side}'s Conversation`, '<|The End of')
    .split(`### Assistant ${side}:`)
    .slice(1)
  assert.ok(first.includes('### User:'), 'the second question behind the first answer')
  return second.trim()
}

test('both orders, each turn, references with math, reasoning and coding; the better one wins in both', async (t) => {
  const root = temporaryFolder()
  const data = join(root, 'data')
  const questions = writeTinyJudging(data)
  writeLines(join(data, 'judge_prompts.jsonl'), prompts)
  const models = [join(root, 'before'), join(root, 'after')]
  await writeTinyModel(models[0])
  await writeTinyModel(models[1], { seed: 2 })
  const out = join(root, 'run')
  const config = {
    models,
    tasks: ['mt_bench'],
    data,
    out,
    threads: 1,
    generation: { max_new_tokens: 6, temperature: 0 },
  }
  await evaluate(config).result
  const [before, after] = await Promise.all(
    ['before', 'after'].map((name) => readSamples(samplesFile(out, name, 'mt_bench'))),
  )
  const said = (samples, i, turn) => samples[i].turns[turn - 1].text.trim()

  // Takes what `after` has said, wherever it stands; of stem it cannot tell.
  const judge = await startJudge(t, ({ messages }) => {
    const text = messages.at(-1).content
    const turn = text.includes('<|The Start of Assistant A') ? 2 : 1
    const i = questions.findIndex(({ turns }) => text.includes(turns[0]))
    if (questions[i].category === 'stem') return 'Both alike: [[C]]'
    return shown(text, 'A', turn) === said(after, i, turn) ? 'The first: [[A]]' : 'The second: [[B]]'
  })
  const report = await evaluate(
    { ...config, judge: { model: 'stub', url: judge.url, retries: 0, mode: 'pairwise' } },
    { resume: true },
  ).result
  assert.deepEqual([report.measured, report.judged], [0, 24])

  const file = join(out, 'judgments/after/judgments_mt_bench_stub_pairwise.jsonl')
  const judgments = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const told = judgments.map(({ question_id, turn, order, template, messages }) => {
    const i = questions.findIndex((question) => question.question_id === Number(question_id))
    const text = messages.at(-1).content
    const sides = order === 'model_first' ? [after, before] : [before, after]
    for (const [side, samples] of Object.entries({ A: sides[0], B: sides[1] }))
      assert.equal(
        shown(text, side, turn),
        said(samples, i, turn),
        `${question_id}, turn ${turn}, ${order}: ${side}`,
      )
    const { category, turns } = questions[i]
    const right = ['math', 'reasoning', 'coding'].includes(category)
    assert.equal(template, `pair-${right ? 'math-v1' : 'v2'}${turn === 2 ? '-multi-turn' : ''}`)
    for (const [number, question] of turns.entries()) {
      const isShown = right && number < turn
      assert.equal(
        text.includes(`right: ${question}`),
        isShown,
        `${category}: reference of turn ${number + 1}`,
      )
    }
    return [question_id, turn, order].join()
  })
  assert.equal(new Set(told).size, 24, 'each turn of each question once in each order')

  const value = (metric) => report.results.find((row) => row.metric === metric && row.model === 'after').value
  assert.deepEqual(['win_rate', 'tie_rate', 'loss_rate'].map(value), [10 / 12, 2 / 12, 0])
  assert.equal(value('agreement'), 1)
  assert.equal(value('adjusted_win_rate'), 11 / 12)
})
