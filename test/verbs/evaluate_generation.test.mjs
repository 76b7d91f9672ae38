// Tasks whose answers the model writes: what it is asked, how its answers end, what is kept of them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { evaluate, loadEncoder, loadModel } from 'tongueforge'
import { withRoom } from '#lib/verbs/evaluating/conversation_prompts'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { readWeights } from '#lib/verbs/scoring/lexicon'
import { VOCABULARY } from '#lib/world/tokenizer'
import { dataPath, dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { startJudge } from '../helpers/judge.mjs'
import { encoderConfig, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { tinyQuestions, writeTinyGeneration } from '../helpers/tiny_generation.mjs'
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

  let count = 0
  const config = (task, more = {}) => ({
    ...{ models: [folder], tasks: [task].flat(), out: join(root, `run${count++}`), threads: 1 },
    ...more,
  })
  const taskFile = (keys) => writeTinyGeneration(join(root, `tasks${count++}`), keys)
  const samplesOf = ({ out }, name = 'first', task = 'written') => readSamples(samplesFile(out, name, task))

  async function ran(task, more) {
    const given = config(task, more)
    const report = await evaluate(given).result
    return { report, samples: await samplesOf(given), given }
  }

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
      ...{ doc_to_target: 'next', description: 'Say. ', fewshot_delimiter: '|', target_delimiter: '=' },
      ...{ fewshot_split: 'test', fewshot_config: { sampler: 'first_n' } },
    })
    const plain = { generation: { chat_template: 'plain' }, num_fewshot: 2 }
    const { samples, report } = await ran(task, plain)
    const [a, b, c] = samples.map(({ doc }) => doc)
    assert.equal(
      samples[2].turns[0].prompt,
      `Say. ${a.question}=${a.next}|${b.question}=${b.next}|${c.question}`,
    )
    assert.equal(samples[0].turns[0].prompt.includes(a.next), false, 'a document is no example of itself')
    assert.equal(report.results[0].num_fewshot, 2)
    const turns = await ran(task, { num_fewshot: 1, fewshot_as_multiturn: true })
    const { template } = await model.text()
    const messages = [
      { role: 'system', content: 'Say. ' },
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
    const run = evaluate(given, { signal: stop.signal, onKept: () => stop.abort(reason) })
    await assert.rejects(run.result, (error) => error === reason)
    assert.equal((await evaluate(given, { resume: true }).result).measured, 1)
    for (const task of ['one', 'two'])
      assert.equal(
        readFileSync(samplesFile(given.out, 'first', task), 'utf8'),
        readFileSync(samplesFile(whole.out, 'first', task), 'utf8'),
      )
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
    assert.equal(kept, 1)
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
