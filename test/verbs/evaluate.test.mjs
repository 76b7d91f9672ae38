// The verb: what it writes, what it keeps, what it refuses. Its numbers are compared in test/golden and test/parity.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { evaluate } from 'tongueforge'
import { readSamples, samplesFile } from '#lib/verbs/evaluating/record'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { writeTinyTasks } from '../helpers/tiny_tasks.mjs'

describe('evaluate', () => {
  const root = temporaryFolder()
  const model = join(root, 'first')
  const other = join(root, 'second')
  const files = writeTinyTasks(join(root, 'tasks'))
  before(async () => {
    await writeTinyModel(model)
    await writeTinyModel(other, { seed: 2 })
  })

  let count = 0
  const config = (more = {}) => ({
    models: [model],
    tasks: [files.tiny],
    out: join(root, `run${count++}`),
    threads: 1,
    ...more,
  })
  const sure = (report) => ({ ...report, measured: undefined, seconds: undefined })
  const bytesOf = (out, name, task) => readFileSync(samplesFile(out, name, task), 'utf8')

  test('a report, a line for each task, and a sample for each document', async () => {
    const given = config({ tasks: Object.values(files), num_fewshot: 1 })
    const run = evaluate(given)
    const seen = []
    for await (const record of run) seen.push(record.task)
    const report = await run.result
    assert.deepEqual(seen, ['tiny', 'tiny_first', 'tiny_pages'])
    assert.deepEqual(
      JSON.parse(readFileSync(join(given.out, 'report.json'), 'utf8')),
      JSON.parse(JSON.stringify(report)),
    )
    assert.equal(report.schema, 'tongueforge.evaluate/1')
    assert.deepEqual(
      report.results.map(({ task, metric }) => `${task} ${metric}`),
      [
        ...['tiny acc', 'tiny acc_norm', 'tiny_first acc', 'tiny_first acc_norm'],
        ...['tiny_pages word_perplexity', 'tiny_pages byte_perplexity', 'tiny_pages bits_per_byte'],
      ],
    )
    const samples = await readSamples(samplesFile(given.out, 'first', 'tiny'))
    assert.equal(samples.length, 12)
    const hits = samples.filter(({ prediction, target }) => prediction === target).length
    assert.equal(report.results[0].value, hits / 12)
    for (const name of ['resolved.yaml', 'provenance.json', 'results.jsonl'])
      assert.ok(existsSync(join(given.out, name)), name)
    const { inputs, verb } = JSON.parse(readFileSync(join(given.out, 'provenance.json'), 'utf8'))
    assert.equal(verb, 'evaluate')
    assert.ok(inputs.some(({ role, path }) => role === 'data' && path.endsWith('train.jsonl')))
    assert.ok(inputs.some(({ role }) => role === 'model'))
  })

  test('examples come from their split, and none of them where none are asked for', async () => {
    const given = config({ num_fewshot: 2, limit: 3 })
    await evaluate(given).result
    const [sample] = await readSamples(samplesFile(given.out, 'first', 'tiny'))
    const pool = readFileSync(join(root, 'tasks/train.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const parts = sample.context.split('\n\n')
    assert.equal(parts.length, 3)
    for (const part of parts.slice(0, 2))
      assert.ok(
        pool.some(({ question, options, answer }) => part === `${question} ${options[answer]}`),
        part,
      )
    assert.equal(parts[2], sample.doc.question)
    const plain = config({ limit: 3 })
    await evaluate(plain).result
    assert.equal((await readSamples(samplesFile(plain.out, 'first', 'tiny')))[0].context, sample.doc.question)
  })

  test('the description is that of the document', async () => {
    const task = join(root, 'tasks/described.yaml')
    writeFileSync(
      task,
      `${readFileSync(files.tiny, 'utf8').replace('task: tiny', 'task: described')}description: "{{options[0]}}: "\n`,
    )
    const given = config({ tasks: [task], num_fewshot: 1 })
    await evaluate(given).result
    for (const { doc, context } of await readSamples(samplesFile(given.out, 'first', 'described')))
      assert.ok(context.startsWith(`${doc.options[0]}: `), context)
  })

  test('a run that is resumed measures what is missing or has changed, and nothing else', async () => {
    const given = config({ tasks: [files.tiny, files.tiny_pages] })
    const first = await evaluate(given).result
    assert.equal(first.measured, 2)
    const again = await evaluate(given, { resume: true }).result
    assert.equal(again.measured, 0)
    assert.deepEqual(sure(again), sure(first))
    const more = await evaluate({ ...given, tasks: [...given.tasks, files.tiny_first] }, { resume: true })
      .result
    assert.equal(more.measured, 1)
    const fewer = await evaluate({ ...given, limit: 5 }, { resume: true }).result
    assert.equal(fewer.measured, 2)
    assert.equal(fewer.results[0].documents, 5)
    await assert.rejects(evaluate(given).result, { code: 'ERR_EXISTS' })
    for (const inside of [
      { tasks: [join(given.out, 'own.yaml')] },
      { language_model: join(given.out, 'lid.bin') },
      { scorers: { toxicity: { lexicon: join(given.out, 'words.txt') } } },
    ])
      await assert.rejects(evaluate({ ...given, ...inside }, { overwrite: true }).result, {
        code: 'ERR_USAGE',
      })
    assert.equal((await evaluate(given, { overwrite: true }).result).measured, 2)
  })

  test('data and task files that have changed are measured again', async () => {
    const own = writeTinyTasks(join(root, 'changing'))
    const given = config({ tasks: [own.tiny, own.tiny_pages] })
    await evaluate(given).result
    const file = join(root, 'changing/pages.jsonl')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\n/, '\n\n'))
    const again = await evaluate(given, { resume: true }).result
    assert.equal(again.measured, 1)
    for (const task of given.tasks) {
      writeFileSync(task, `${readFileSync(task, 'utf8')}# changed\n`)
      assert.equal((await evaluate(given, { resume: true }).result).measured, 1, task)
    }
  })

  test('stopped at any task and resumed, it writes the bytes of a run that was not', async () => {
    const tasks = Object.values(files)
    const whole = config({ tasks, models: [model, other] })
    await evaluate(whole).result
    for (const after of [0, 1, 2, 4]) {
      const given = config({ tasks, models: [model, other] })
      const stop = new AbortController()
      const reason = new Error('enough')
      let kept = 0
      const onKept = () => {
        if (++kept === after) stop.abort(reason)
      }
      if (after === 0) stop.abort(reason)
      await assert.rejects(
        evaluate(given, { signal: stop.signal, onKept }).result,
        (error) => error === reason,
      )
      const report = await evaluate(given, { resume: true }).result
      assert.equal(report.measured, 6 - after)
      for (const name of ['first', 'second'])
        for (const task of Object.keys(files))
          assert.equal(bytesOf(given.out, name, task), bytesOf(whole.out, name, task))
    }
  })

  test('a model is compared with the first, over the same documents; with itself it differs by nothing', async () => {
    const models = [model, other, { path: model, name: 'again' }]
    const given = config({ models, tasks: [files.tiny, files.tiny_pages] })
    const { results } = await evaluate(given).result
    const row = (task, metric, name) =>
      results.find((one) => one.task === task && one.metric === metric && one.model === name)
    assert.equal(row('tiny', 'acc', 'first').difference, undefined)
    const same = row('tiny', 'acc', 'again').difference
    assert.deepEqual(same, { value: 0, stderr: 0, interval: [0, 0] })
    assert.equal(row('tiny_pages', 'bits_per_byte', 'again').difference.value, 0)
    assert.equal(row('tiny_pages', 'word_perplexity', 'second').difference, undefined)
    for (const [task, metric] of [
      ['tiny', 'acc'],
      ['tiny_pages', 'bits_per_byte'],
    ]) {
      const [mine, theirs] = [row(task, metric, 'second'), row(task, metric, 'first')]
      const { value, stderr, interval } = mine.difference
      assert.ok(Math.abs(value - (mine.value - theirs.value)) < 1e-12)
      assert.ok(Math.abs(interval[1] - value - 1.959963984540054 * stderr) < 1e-12)
    }
  })

  test('documents with line separators of Unicode, at which Node 24 splits lines, are compared as all others', async () => {
    const own = writeTinyTasks(join(root, 'separated'))
    const file = join(root, 'separated/test.jsonl')
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"question":"', '"question":"a\u2028b\u2029c '))
    const given = config({ models: [model, other], tasks: [own.tiny] })
    const { results } = await evaluate(given).result
    assert.equal(results.filter(({ difference }) => difference !== undefined).length, 2)
    const [{ doc }] = await readSamples(samplesFile(given.out, 'second', 'tiny'))
    assert.match(doc.question, /^a\u2028b\u2029c /)
  })

  test('of perplexities those are told that the task names, in its order', async () => {
    const file = join(root, 'tasks/tiny_named.yaml')
    const named =
      'metric_list: [{ metric: bits_per_byte }, { metric: byte_perplexity, aggregation: weighted_perplexity }]'
    writeFileSync(
      file,
      `${readFileSync(files.tiny_pages, 'utf8').replace('tiny_pages', 'tiny_named')}${named}\n`,
    )
    const { results } = await evaluate(config({ tasks: [file, files.tiny_pages] })).result
    const told = (name) => results.filter(({ task }) => task === name)
    assert.deepEqual(
      told('tiny_named').map(({ metric }) => metric),
      ['bits_per_byte', 'byte_perplexity'],
    )
    for (const { metric, value } of told('tiny_named'))
      assert.equal(value, told('tiny_pages').find((row) => row.metric === metric).value, metric)
  })

  test('an adapter is put on its model, and a new one is measured again', async () => {
    writeFileSync(join(root, 'corpus.txt'), readFileSync(join(root, 'tasks/pages.jsonl'), 'utf8'))
    const trained = async (seed) => {
      const training = {
        ...{ model, out: join(root, `adapter${seed}`), data: [{ path: join(root, 'corpus.txt') }] },
        ...{ sequence_length: 32, batch_size: 2, steps: 2, optimizer: { lr: 0.1 }, threads: 1, seed },
        lora: { merge: false },
      }
      return (await train(training).result).adapter
    }
    const models = (adapter) => [model, { path: model, name: 'adapted', adapter }]
    const given = config({ tasks: [files.tiny_pages] })
    const first = await evaluate({ ...given, models: models(await trained(1)) }).result
    const [plain, adapted] = first.results.filter(({ metric }) => metric === 'bits_per_byte')
    assert.notEqual(adapted.value, plain.value)
    const next = await evaluate({ ...given, models: models(await trained(2)) }, { resume: true }).result
    assert.equal(next.measured, 1)
  })

  test('batches of any size tell the same to rounding', async () => {
    const sizes = [1, 50, 10_000]
    const all = []
    for (const batch_tokens of sizes) {
      const given = config({ batch_tokens, num_fewshot: 3 })
      await evaluate(given).result
      all.push(await readSamples(samplesFile(given.out, 'first', 'tiny')))
    }
    for (const samples of all.slice(1))
      for (const [i, { log_likelihoods }] of samples.entries())
        for (const [j, value] of log_likelihoods.entries())
          assert.ok(Math.abs(value - all[0][i].log_likelihoods[j]) < 1e-4)
  })

  test('in the chat template of the model, answers follow the opening of its turn', async () => {
    const given = config({ chat_template: true, num_fewshot: 1, limit: 2, system_instruction: 'Choose.' })
    await evaluate(given).result
    const [{ context, continuations, doc }] = await readSamples(samplesFile(given.out, 'first', 'tiny'))
    assert.match(context, new RegExp(`${doc.question}[^]*$`))
    assert.notEqual(context, doc.question)
    assert.deepEqual(continuations, doc.options)
  })

  test('a dry run counts what a run asks, and makes nothing', async () => {
    const given = config({ tasks: Object.values(files), num_fewshot: 2 })
    const { dry_run, tasks } = await evaluate(given, { dryRun: true }).result
    assert.equal(dry_run, true)
    assert.equal(existsSync(given.out), false)
    const found = []
    const run = evaluate(given)
    for await (const { model: name, task, documents, requests, tokens } of run)
      found.push({ name, task, documents, requests, tokens })
    assert.deepEqual(
      tasks.map(({ model: name, task, documents, requests, targets }) => ({
        name,
        task,
        documents,
        requests,
        tokens: targets,
      })),
      found,
    )
  })

  const refused = (more, expected) => assert.rejects(evaluate(config(more)).result, expected)

  test('what cannot be is refused before a weight is read, and says what would help', async () => {
    const hinted = (code, message, hint) => (error) => {
      assert.equal(error.code, code, error.message)
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      return true
    }
    await refused(
      { tasks: ['hellaswga'] },
      hinted('ERR_CONFIG', /expected a task, received 'hellaswga'/, /'hellaswag'/),
    )
    await refused(
      { tasks: ['nothing_like_it'] },
      hinted('ERR_CONFIG', /expected a task/, /Known: mmlu, .*\*\.yaml/),
    )
    await refused(
      { tasks: ['arc_easy'], data: root },
      hinted('ERR_NOT_FOUND', /ai2_arc: expected the split test/, /holds .*first/),
    )
    await refused(
      { max_length: 257 },
      hinted('ERR_CONFIG', /max_length: expected at most 256.*received 257/, /^/),
    )
    await refused(
      { models: [model, model] },
      hinted('ERR_CONFIG', /models\.1: expected a name of its own, received first twice/, /NAME=FOLDER/),
    )
    await refused(
      { num_fewshot: 9 },
      hinted(
        'ERR_DATA',
        /tiny: expected at least 9 documents to take examples from, found 8/,
        /num_fewshot lower/,
      ),
    )
    await refused({ limits: 3 }, hinted('ERR_CONFIG', /limits: unknown key/, /'limit'/))
    await refused(
      { models: [join(root, 'none')] },
      hinted('ERR_NOT_FOUND', /expected a model folder/, /path/),
    )
    await refused({ out: join(model, 'run') }, hinted('ERR_USAGE', /outside of model folders/, /another out/))
  })

  test('a benchmark whose texts are not there names the file to copy', async () => {
    const data = temporaryFolder()
    const { mkdirSync } = await import('node:fs')
    mkdirSync(join(data, 'tmmluplus/accounting'), { recursive: true })
    const record = { question: 'q', A: 'a', B: 'b', C: 'c', D: 'd', answer: 'A' }
    writeFileSync(join(data, 'tmmluplus/accounting/test.jsonl'), `${JSON.stringify(record)}\n`)
    await refused({ tasks: ['tmmluplus_accounting'], data }, (error) => {
      assert.equal(error.code, 'ERR_NOT_FOUND')
      assert.match(
        error.message,
        /tmmluplus_accounting: expected the task file .*tmmluplus\/tmmluplus_accounting\.yaml/,
      )
      assert.match(error.hint, /Copy tmmluplus_accounting\.yaml out of lm_eval\/tasks\//)
      return true
    })
    const latin = Buffer.from('description: Für Prüfungen\n', 'latin1')
    writeFileSync(join(data, 'tmmluplus/tmmluplus_accounting.yaml'), latin)
    await refused(
      { tasks: ['tmmluplus_accounting'], data },
      {
        code: 'ERR_CONFIG',
        message: /tmmluplus_accounting\.yaml: expected UTF-8 text/,
      },
    )
  })
})
