// Configs and data that a judge cannot work with.
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { evaluate } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { writeTinyJudging } from '../helpers/tiny_judging.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinyTasks } from '../helpers/tiny_tasks.mjs'

const root = temporaryFolder()
const [data, out] = ['data', 'run'].map((name) => join(root, name))
const models = [await writeTinyModel(join(root, 'first'))]
writeTinyJudging(data)

test('what a judge lacks is an error before anything is written, and names the file', async (t) => {
  const stub = await startJudge(t)
  const refused = async (more, code, message, hint) => {
    const { judge, ...rest } = more
    const given = {
      models,
      tasks: ['mt_bench'],
      data,
      out,
      judge: { model: 'stub/1', url: stub.url, ...judge },
      ...rest,
    }
    await assert.rejects(evaluate(given).result, (error) => {
      assert.equal(error.code, code, error.stack)
      assert.match(error.message, message)
      if (hint) assert.match(error.hint, hint)
      return true
    })
    assert.equal(existsSync(given.out), false)
  }
  const copy = (name) => {
    const folder = join(root, name)
    writeTinyJudging(folder)
    return folder
  }
  const noPrompts = copy('no_prompts')
  rmSync(join(noPrompts, 'judge_prompts.jsonl'))
  await refused(
    { data: noPrompts },
    'ERR_NOT_FOUND',
    /no_prompts\/judge_prompts\.jsonl: expected the templates/,
    /judge\.prompts/,
  )
  const noReferences = copy('no_references')
  rmSync(join(noReferences, 'mt_bench/reference_answer'), { recursive: true })
  await refused(
    { data: noReferences },
    'ERR_DATA',
    /mt_bench: question 82: expected a reference answer to turn 1, as the template single-math-v1 shows it/,
    /no file of references .*mt_bench\/reference_answer\/gpt-4\.jsonl/,
  )
  const noQuestions = copy('no_questions')
  rmSync(join(noQuestions, 'mt_bench/question.jsonl'))
  await refused(
    { data: noQuestions },
    'ERR_NOT_FOUND',
    /mt_bench: expected the split question, as .*mt_bench\/question/,
  )
  const longer = copy('longer')
  writeFileSync(
    join(longer, 'mt_bench/question.jsonl'),
    '{"question_id": 1, "category": "math", "turns": ["a", "b", "c"]}\n',
  )
  await refused({ data: longer }, 'ERR_DATA', /mt_bench: document 0: turns: expected one text or two/)
  await refused(
    { judge: { mode: 'pairwise' } },
    'ERR_CONFIG',
    /judge\.baseline: expected something to compare with/,
  )
  await refused(
    { judge: { mode: 'pairwise', baseline: 'third' } },
    'ERR_CONFIG',
    /judge\.baseline: expected a model or a file of answers, \*\.jsonl, received third/,
    /Models: first/,
  )
  await refused(
    { judge: { baseline: 'second' } },
    'ERR_CONFIG',
    /judge\.baseline: expected none with mode: single, received second/,
    /pairwise/,
  )
  await refused({ judge: { timeout: 301 } }, 'ERR_CONFIG', /judge\.timeout: expected at most 300 seconds/)
  await refused({ judge: { mode: 'pairwise', baseline: 'none.jsonl' } }, 'ERR_NOT_FOUND', /none\.jsonl/)
  await refused({ judge: { url: 'ftp://x' } }, 'ERR_CONFIG', /judge\.url: expected an address/)
  await refused({ judge: { modle: 'x' } }, 'ERR_CONFIG', /judge\.modle: unknown key/, /'mode'/)
  const { tiny } = writeTinyTasks(join(root, 'tasks'))
  await refused({ tasks: [tiny] }, 'ERR_CONFIG', /judge: expected a task with something to judge/, /mt_bench/)
  assert.equal(stub.requests.length, 0)
})
