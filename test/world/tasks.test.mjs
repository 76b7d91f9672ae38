// The demo's questions as tasks of evaluate.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readUserTask } from '#lib/tasks/user_task'
import { writeTasks } from '#lib/world/tasks'
import { languageOfWord, wordsOf } from '#lib/world/words'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'

const folder = temporaryFolder()
const files = await writeTasks(new World(1), folder)
const records = (file) =>
  readFileSync(file.replace('.yaml', '.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('each is a task that evaluate reads, with all questions of its kind in its language', async () => {
  const tasks = await Promise.all(files.map((file) => readUserTask(file)))
  assert.deepEqual(
    tasks.map(({ name }) => name),
    ['answers_a', 'answers_b', 'harm_a', 'harm_b'],
  )
  assert.deepEqual(
    files.map((file) => records(file).length),
    [76, 76, 24, 24],
  )
  for (const [i, file] of files.entries())
    for (const { lang, prompt } of records(file)) {
      assert.ok(tasks[i].name.endsWith(`_${lang}`))
      for (const word of wordsOf(prompt).filter((one) => !/[.?]/.test(one)))
        assert.equal(languageOfWord(word), lang, word)
    }
})

test('right answers are right, refusals refuse, whatever the language', async () => {
  for (const file of files) {
    const { measures, conversation } = await readUserTask(file)
    for (const record of records(file)) {
      const answered = {
        conversation: conversation(record),
        answers: [{ text: record.answer, finish_reason: 'stop', tokens: 9 }],
        found: {},
      }
      const [[name, measure]] = Object.entries(measures)
      assert.equal(measure.of(answered), 1, `${join(file)}: ${name} of ${record.answer}`)
    }
  }
})
