// Tasks whose answers the model writes: what it is asked, how its answers end, what is kept of them.
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { evaluate, loadModel } from 'tongueforge'
import { withRoom } from '#lib/verbs/evaluating/conversation_prompts'
import { samplesFile } from '#lib/verbs/evaluating/record'
import { temporaryFolder } from '../helpers/folders.mjs'
import { generationRuns, tinyQuestions } from '../helpers/tiny_generation.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('tasks of generation', () => {
  const root = temporaryFolder()
  const folder = join(root, 'first')
  const other = join(root, 'second')
  let model
  before(async () => {
    await writeTinyModel(folder)
    await writeTinyModel(other, { seed: 2 })
    model = await loadModel(folder, { threads: 1 })
  })
  after(() => model.dispose())

  const { config, taskFile, samplesOf, ran } = generationRuns(root, folder)

  test('answers are those of the model alone, in its template; a line a document, a row a measure', async () => {
    const { report, samples } = await ran(taskFile())
    assert.deepEqual(
      report.results.map(({ metric }) => metric),
      ['stop_rate', 'length_tokens', 'length_characters'],
    )
    assert.equal(samples.length, 8)
    const { template } = await model.text()
    for (const { doc, turns, values } of samples) {
      const messages = [{ role: 'user', content: doc.question }]
      const alone = await model.chat(messages, { maxNewTokens: 12 }).result
      const [turn] = turns
      assert.equal(turn.prompt, template.render(messages, { addGenerationPrompt: true }))
      assert.equal(turn.text, alone.text)
      assert.equal(turn.finish_reason, alone.finish_reason)
      assert.equal(turn.tokens, alone.ids.length)
      assert.equal(values.length_characters, [...turn.text].length)
      assert.equal(values.stop_rate, turn.finish_reason === 'stop' ? 1 : 0)
    }
    const lengths = samples.map(({ turns }) => turns[0].tokens)
    assert.equal(report.results[1].value, lengths.reduce((a, b) => a + b) / 8)
  })

  test('as plain text the model goes on with the words of the user', async () => {
    const { samples } = await ran(taskFile(), { generation: { chat_template: 'plain' } })
    for (const { doc, turns } of samples.slice(0, 3)) {
      const alone = await model.generate(doc.question, { maxNewTokens: 12 }).result
      assert.deepEqual([turns[0].prompt, turns[0].text], [doc.question, alone.text])
    }
  })

  test('later turns are asked behind the own answers of the model', async () => {
    const { samples } = await ran(taskFile({ doc_to_text: '{{ [question, next] }}' }))
    const [{ doc, turns }] = samples
    assert.equal(turns.length, 2)
    const messages = [
      { role: 'user', content: doc.question },
      { role: 'assistant', content: turns[0].text },
      { role: 'user', content: doc.next },
    ]
    const alone = await model.chat(messages, { maxNewTokens: 12 }).result
    assert.equal(turns[1].text, alone.text)
  })

  test('a stop string ends an answer and is no part of it, whatever the rest of the batch does', async () => {
    const free = await ran(taskFile(), { generation: { chat_template: 'plain' } })
    const words = free.samples.map(({ turns }) => turns[0].text.trim().split(' '))
    const until = words[0][5]
    const { samples } = await ran(taskFile({ generation_kwargs: { max_gen_toks: 12, until } }), {
      generation: { chat_template: 'plain' },
    })
    for (const [i, { turns }] of samples.entries()) {
      const whole = free.samples[i].turns[0]
      const place = whole.text.indexOf(until)
      assert.equal(turns[0].text, place < 0 ? whole.text : whole.text.slice(0, place), `document ${i}`)
      assert.equal(turns[0].finish_reason, place < 0 ? whole.finish_reason : 'stop')
    }
    assert.equal(samples[0].turns[0].finish_reason, 'stop')
  })

  test('of a task with parts, too, fewer documents change no word of those that are left, nor their examples', async () => {
    const docs = tinyQuestions(9).map((doc, i) => ({ ...doc, kind: i < 5 ? 'x' : 'y' }))
    const task = taskFile({
      ...{ docs, doc_to_part: 'kind', doc_to_target: 'next', num_fewshot: 2 },
      generation_kwargs: { max_gen_toks: 12, temperature: 1 },
    })
    const whole = await ran(task)
    const few = await ran(task, { limit: 2 })
    assert.deepEqual(
      few.samples.map(({ doc_id }) => doc_id),
      [0, 1, 5, 6],
    )
    for (const { doc_id, doc, turns } of few.samples)
      assert.deepEqual(
        [doc, turns],
        [whole.samples[doc_id].doc, whole.samples[doc_id].turns],
        `document ${doc_id}`,
      )
  })

  test('a sampled document i is what the model alone says with seed + i, up to the stop string', async () => {
    const generation_kwargs = { max_gen_toks: 12, temperature: 1 }
    const { samples } = await ran(taskFile({ generation_kwargs }), { generation: { seed: 4 } })
    const alone = (doc, i) =>
      model.chat([{ role: 'user', content: doc.question }], { maxNewTokens: 12, temperature: 1, seed: 4 + i })
        .result
    for (const [i, { doc, turns }] of samples.entries())
      assert.equal(turns[0].text, (await alone(doc, i)).text, `document ${i}`)
    const until = samples[2].turns[0].text.split(' ')[4]
    const task = taskFile({ generation_kwargs: { ...generation_kwargs, until } })
    const stopped = await ran(task, { generation: { seed: 4 } })
    for (const [i, { turns }] of stopped.samples.entries())
      assert.equal(turns[0].text, samples[i].turns[0].text.split(until)[0], `document ${i}`)
  })

  test('examples stand before a question as the harness lays them out, or as turns', async () => {
    const task = taskFile({
      ...{
        doc_to_target: 'next',
        description: 'Say {{next[0]}}. ',
        fewshot_delimiter: '|',
        target_delimiter: '=',
      },
      ...{ fewshot_split: 'test', fewshot_config: { sampler: 'first_n' } },
    })
    const plain = { generation: { chat_template: 'plain' }, num_fewshot: 2 }
    const { samples, report } = await ran(task, plain)
    const [a, b, c] = samples.map(({ doc }) => doc)
    assert.equal(
      samples[2].turns[0].prompt,
      `Say ${c.next[0]}. ${a.question}=${a.next}|${b.question}=${b.next}|${c.question}`,
    )
    assert.equal(samples[0].turns[0].prompt.includes(a.next), false, 'a document is no example of itself')
    assert.equal(report.results[0].num_fewshot, 2)
    const turns = await ran(task, { num_fewshot: 1, fewshot_as_multiturn: true })
    const { template } = await model.text()
    const messages = [
      { role: 'system', content: `Say ${c.next[0]}. ` },
      { role: 'user', content: a.question },
      { role: 'assistant', content: a.next },
      { role: 'user', content: c.question },
    ]
    const rendered = [messages, messages.slice(1)].flatMap((some) => {
      try {
        return [template.render(some, { addGenerationPrompt: true })]
      } catch {
        return []
      }
    })
    assert.equal(turns.samples[2].turns[0].prompt, rendered[0])
  })

  test('what the config says is stronger than the task, and seeds give the same words again', async () => {
    const task = taskFile({ generation_kwargs: { max_gen_toks: 12, temperature: 1 } })
    const texts = async (generation) =>
      (await ran(task, { generation })).samples.map(({ turns }) => turns[0].text).join('\n')
    const drawn = await texts({})
    assert.equal(await texts({}), drawn)
    assert.notEqual(await texts({ seed: 1 }), drawn)
    const greedy = await texts({ temperature: 0 })
    assert.notEqual(greedy, drawn)
    assert.equal(await texts({ temperature: 0, seed: 5 }), greedy)
    const { samples } = await ran(task, { generation: { max_new_tokens: 3 } })
    assert.ok(samples.every(({ turns }) => turns[0].tokens <= 3))
  })

  test('batches of any size, and fewer documents, give the same answers', async () => {
    const texts = ({ samples }) => samples.map(({ turns }) => turns[0].text)
    for (const temperature of [0, 0.7]) {
      const task = taskFile({ generation_kwargs: { max_gen_toks: 8, temperature } })
      const all = texts(await ran(task))
      assert.deepEqual(texts(await ran(task, { batch_tokens: 1 })), all)
      assert.deepEqual(texts(await ran(task, { batch_tokens: 80 })), all)
      assert.deepEqual(texts(await ran(task, { limit: 3 })), all.slice(0, 3))
    }
  })

  test('a prompt that is too long loses its beginning, and the sample says how much', async () => {
    const [{ question }] = tinyQuestions(1)
    const docs = [{ question }, { question: `${question} `.repeat(40).trim() }]
    const { samples } = await ran(taskFile({ docs, generation_kwargs: { max_gen_toks: 20 } }), {
      max_length: 32,
    })
    const room = (length, asked) => {
      const { ids, ...rest } = withRoom(
        Int32Array.from({ length }, (_, i) => i),
        asked,
        32,
      )
      return { first: ids[0], length: ids.length, ...rest }
    }
    assert.deepEqual(room(10, 20), { first: 0, length: 10, cut: 0, max_new_tokens: 20 })
    assert.deepEqual(room(10, 30), { first: 0, length: 10, cut: 0, max_new_tokens: 22 })
    assert.deepEqual(room(30, 20), { first: 14, length: 16, cut: 14, max_new_tokens: 16 })
    assert.deepEqual(room(30, 4), { first: 2, length: 28, cut: 2, max_new_tokens: 4 })
    assert.equal(samples[0].turns[0].cut, undefined)
    assert.ok(samples[1].turns[0].cut > 0)
    assert.ok(samples[1].turns[0].tokens <= 16)
  })

  test('another setting of generation is answered again, and only by tasks of generation', async () => {
    const given = config(taskFile())
    assert.equal((await evaluate(given).result).measured, 1)
    assert.equal((await evaluate(given, { resume: true }).result).measured, 0)
    const more = { ...given, generation: { max_new_tokens: 5 } }
    assert.equal((await evaluate(more, { resume: true }).result).measured, 1)
    assert.ok((await samplesOf(given)).every(({ turns }) => turns[0].tokens <= 5))
  })

  test('stopped and resumed, it writes the bytes of a run that was not', async () => {
    const tasks = [taskFile({ name: 'one' }), taskFile({ name: 'two' })]
    const whole = config(tasks)
    await evaluate(whole).result
    const given = config(tasks)
    const stop = new AbortController()
    const reason = new Error('enough')
    const run = evaluate(given, { signal: stop.signal })
    const heard = (async () => {
      for await (const _ of run) stop.abort(reason) // the first task is measured
    })()
    await assert.rejects(run.result, (error) => error === reason)
    await assert.rejects(heard)
    assert.equal((await evaluate(given, { resume: true }).result).measured, 1)
    for (const task of ['one', 'two'])
      assert.equal(
        readFileSync(samplesFile(given.out, 'first', task), 'utf8'),
        readFileSync(samplesFile(whole.out, 'first', task), 'utf8'),
      )
  })

  test('answers of documents with line separators of Unicode, at which Node 24 splits lines, are kept', async () => {
    const docs = tinyQuestions(2).map(({ question }) => ({ question: `${question}\u2028\u2029` }))
    const given = config(taskFile({ docs }))
    await evaluate(given).result
    rmSync(join(given.out, 'results.jsonl'))
    const heard = []
    const onProgress = ({ label }) => heard.push(label)
    assert.equal((await evaluate(given, { resume: true, onProgress }).result).measured, 1)
    assert.deepEqual(heard, [], 'nothing is written again')
  })

  test('models are compared by document, and progress counts tokens up to the most that may come', async () => {
    const task = taskFile()
    const heard = []
    const given = config(task, { models: [folder, other] })
    const run = evaluate(given, {
      onProgress: ({ label, done, total }) => heard.push({ label, done, total }),
    })
    const { results } = await run.result
    const { difference } = results.find(
      ({ model: name, metric }) => name === 'second' && metric === 'length_tokens',
    )
    const [mine, theirs] = [await samplesOf(given, 'second'), await samplesOf(given)]
    const all = mine.map(({ values }, i) => values.length_tokens - theirs[i].values.length_tokens)
    assert.ok(Math.abs(difference.value - all.reduce((a, b) => a + b) / 8) < 1e-12)
    const told = heard.filter(({ label }) => label === 'first: written')
    assert.deepEqual(told.at(-1), { label: 'first: written', done: 96, total: 96 })
    assert.ok(told.every(({ done }, i) => i === 0 || done >= told[i - 1].done))
  })

  test('a dry run foretells prompts and the most tokens that may be written', async () => {
    const given = config(taskFile({ doc_to_text: '{{ [question, next] }}' }))
    const { tasks } = await evaluate(given, { dryRun: true }).result
    assert.deepEqual(
      tasks.map(({ documents, requests, targets }) => ({ documents, requests, targets })),
      [{ documents: 8, requests: 16, targets: 192 }],
    )
    assert.ok(tasks[0].tokens > 0)
  })

  test('an abort ends it at once', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const task = taskFile({ docs: tinyQuestions(64), generation_kwargs: { max_gen_toks: 128 } })
    let at
    const run = evaluate(config(task, { generation: { chat_template: 'plain' } }), {
      signal: stop.signal,
      onProgress: ({ label, done }) => {
        if (label.endsWith('written') && done === 3 && !at) {
          at = performance.now()
          stop.abort(reason)
        }
      },
    })
    await assert.rejects(run.result, (error) => error === reason)
    assert.ok(performance.now() - at < 1000)
  })
})
