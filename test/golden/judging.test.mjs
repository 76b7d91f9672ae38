// What a judge is asked and what its replies mean, by FastChat's rules written again in Python (judging/make_golden.py).
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openQuestion, readAnswers } from '#lib/tasks/judging/answers'
import { promptsOf } from '#lib/tasks/judging/prompt'
import { JudgeTemplates } from '#lib/tasks/judging/templates'
import { ratingOf, winnerOf } from '#lib/tasks/judging/verdict'

const here = fileURLToPath(new URL('./judging', import.meta.url))
const expected = JSON.parse(readFileSync(join(here, 'expected.json'), 'utf8'))
const linesOf = (name) =>
  readFileSync(join(here, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

for (const mode of ['single', 'pairwise'])
  test(`prompts are FastChat's to the letter: ${mode}`, async () => {
    const templates = await JudgeTemplates.read(join(here, 'judge_prompts.jsonl'), mode)
    const [model, baseline, reference] = await Promise.all(
      ['model', 'baseline', 'reference'].map((name) => readAnswers(join(here, `${name}_answer.jsonl`))),
    )
    const made = linesOf('question.jsonl').flatMap((record) => {
      const question = openQuestion(record)
      const beside = {
        reference: reference.get(question.id),
        ...(mode === 'pairwise' && { baseline: baseline.get(question.id) }),
      }
      return promptsOf(question, model.get(question.id), beside, templates)
    })
    assert.deepEqual(made, expected[mode])
  })

test("replies are read as FastChat reads them", () => {
  for (const { reply, rating, verdict } of expected.replies) {
    assert.equal(ratingOf(reply), rating, reply)
    const winners = { A: 'model', B: 'baseline', tie: 'tie' }
    assert.equal(winnerOf(reply, 'model_first'), winners[verdict] ?? null, reply)
    const turned = { A: 'baseline', B: 'model', tie: 'tie' }
    assert.equal(winnerOf(reply, 'baseline_first'), turned[verdict] ?? null, reply)
  }
})

test('what a judge thinks aloud first is no verdict', () => {
  assert.equal(ratingOf('<think>Perhaps [[8]]?</think> Rating: [[6]]'), 6)
  assert.equal(ratingOf('Perhaps [[8]]?</think>[[6]]'), 6, 'the server has kept the beginning')
  assert.equal(ratingOf('\n<think>Perhaps [[8]], or'), null, 'cut off before it said anything')
  assert.equal(ratingOf('It <think>s: [[7]]'), 7)
  assert.equal(winnerOf('<think>[[A]]?</think>[[B]]', 'model_first'), 'baseline')
})

test('a number beyond the scale is no rating', () => {
  assert.equal(ratingOf('[[10]]'), 10)
  assert.equal(ratingOf('[[11]]'), null)
  assert.equal(ratingOf('[[85]] of a hundred, [[8]] of ten'), null)
})
