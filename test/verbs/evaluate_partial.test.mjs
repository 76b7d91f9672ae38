// Answers that are being written when a run is stopped or killed: what is done of a task is not done again.
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate } from 'tongueforge'
import { samplesFile } from '#lib/verbs/evaluating/record'
import { temporaryFolder } from '../helpers/folders.mjs'
import { generationRuns } from '../helpers/tiny_generation.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('a task of generation that is cut short', () => {
  const root = temporaryFolder()
  const folder = join(root, 'first')
  const { config, taskFile } = generationRuns(root, folder)
  const generation_kwargs = { max_gen_toks: 12, temperature: 1 }
  const tasks = [
    taskFile({ name: 'greedy', doc_to_text: '{{ [question, next] }}' }),
    taskFile({ name: 'drawn', doc_to_text: '{{ [question, next] }}', generation_kwargs }),
  ]
  const small = { batch_tokens: 60 } // two documents at a time
  const partial = ({ out }, task) => join(out, `answers/first/answers_${task}.partial.jsonl`)
  const written = ({ out }) =>
    ['greedy', 'drawn'].flatMap((task) =>
      [samplesFile(out, 'first', task), join(out, `answers/first/answers_${task}.jsonl`)].map((file) =>
        readFileSync(file, 'utf8'),
      ),
    )

  /** Batches that are answered, up to `most`: then it is stopped. */
  async function answered(given, most = Number.POSITIVE_INFINITY) {
    const [stop, reason] = [new AbortController(), new Error('enough')]
    const files = ['greedy', 'drawn'].map((task) => partial(given, task))
    const lines = () =>
      files.reduce(
        (sum, file) => sum + (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0),
        0,
      )
    let [batches, before] = [0, lines()]
    const onKept = () => {
      const now = lines()
      if (now !== before) batches++
      before = now
      if (batches >= most) stop.abort(reason)
    }
    const { result } = evaluate(given, { resume: true, signal: stop.signal, onKept })
    if (most === Number.POSITIVE_INFINITY) await result
    else await assert.rejects(result, (error) => error === reason)
    return batches
  }

  let whole, all
  before(async () => {
    await writeTinyModel(folder)
    whole = config(tasks, small)
    all = await answered(whole)
  })

  test('it has more than one batch, and leaves nothing but whole answers', () => {
    assert.ok(all >= 12, `${all} batches`)
    for (const task of ['greedy', 'drawn']) assert.ok(!existsSync(partial(whole, task)))
  })

  for (const at of [1, 5, 11])
    test(`stopped behind batch ${at}, it goes on there, to the same bytes`, async () => {
      const given = config(tasks, small)
      assert.equal(await answered(given, at), at)
      assert.equal(await answered(given), all - at)
      assert.deepEqual(written(given), written(whole))
    })

  test('killed within a line, it goes on behind the last whole one', async () => {
    const given = config(tasks, small)
    await answered(given, 3)
    const file = partial(given, 'greedy')
    appendFileSync(file, readFileSync(file, 'utf8').slice(0, 40))
    assert.equal(await answered(given, 2), 2)
    assert.equal(await answered(given), all - 5)
    assert.deepEqual(written(given), written(whole))
  })

  test('answers of another setting are not taken for these', async () => {
    const given = config(tasks, small)
    await answered({ ...given, generation: { max_new_tokens: 5 } }, 3)
    assert.equal(await answered(given), all)
    assert.deepEqual(written(given), written(whole))
  })
})
