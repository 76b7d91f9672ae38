// An adaptation as a run: its stages against the verbs alone, its table and rule, its record, resume, refusals.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { adapt, evaluate, loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyAdaptation } from '../helpers/tiny_adaptation.mjs'
import { tinyConfig, writeHollowModel } from '../helpers/tiny_model.mjs'

describe('adapt', () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'), 'base64')
  let given
  let made = 0
  const configOf = (changes = {}) => ({ ...given, out: place(`run-${made++}`), ...changes })
  /** A run, with the stages that it did. */
  const adapted = async (config, options) => {
    const run = adapt(config, options)
    const stages = []
    for await (const event of run) if (event.event === 'stage') stages.push(event.stage)
    return { stages, report: await run.result, out: config.out }
  }
  const refused = async (changes, code, message, hint) => {
    const config = configOf(changes)
    await assert.rejects(adapt(config).result, (error) => {
      assert.equal(error.code, code)
      assert.match(error.message, message)
      if (hint) assert.match(error.hint, hint)
      return true
    })
    assert.ok(!existsSync(config.out), `nothing is written: ${message}`)
  }
  let whole
  before(async () => {
    given = await tinyAdaptation(place('inputs'))
    whole = await adapted(configOf({ arms: ['cp', 'inscp'], keep: 'all' }))
  })

  test('a run is not cleared away under what its trainings, tasks and vocabulary read', async () => {
    const { out } = whole
    const file = join(out, 'own.txt')
    for (const reads of [
      { training: { ...given.training, replay: [{ path: file, share: 0.2 }] } },
      { objectives: { dpo: { dpo: { reference: file } } } },
      { arms: [{ arm: 'cp', objectives: { cp: { eval: { data: [{ path: file }] } } } }] },
      { evaluate: { ...given.evaluate, tasks: [join(out, 'own.yaml')] } },
      { evaluate: { ...given.evaluate, scorers: { toxicity: { model: out, label: 'x' } } } },
      { vocabulary: { tokens: 2, data: [{ path: file }] } },
    ])
      await assert.rejects(adapt(configOf({ out, ...reads }), { overwrite: true }).result, {
        code: 'ERR_USAGE',
        message: /expected a run folder apart from what is read/,
      })
    assert.ok(existsSync(join(out, 'model')))
  })

  test('stages are what the verbs make alone', async () => {
    const { stages, report, out } = whole
    const names = ['start-evaluate', 'chat-cp', 'cp-evaluate', 'chat-inscp', 'inscp-evaluate']
    assert.deepEqual(stages, names)
    assert.deepEqual(
      report.stages.map(({ step, stage }) => [step, stage]),
      names.map((name, i) => [i + 1, name]),
    )
    const { training, data_cache, seed, threads, corpus: data } = given
    const config = { ...training, objective: 'inscp', model: given.chat, data, data_cache, seed, threads }
    const { model } = await train({ ...config, out: place('alone') }).result
    assert.equal(weights(model), weights(join(out, 'stages/chat-inscp/model')))
    const scores = await evaluate({
      ...{ models: [given.chat, model].map((path, i) => ({ path, name: ['start', 'inscp'][i] })) },
      ...{ tasks: [join(out, 'tasks/texts.yaml')], out: place('scores'), threads },
    }).result
    const ours = report.results.filter(({ model: name }) => name !== 'cp')
    assert.deepEqual(ours, scores.results)
  })

  test('the best by the rule becomes model/, with a card, and loads', async () => {
    const { report, out } = whole
    const value = (model) =>
      report.results.find((row) => row.model === model && row.metric === 'byte_perplexity').value
    const best = value('cp') < value('inscp') ? 'cp' : 'inscp'
    assert.equal(report.pick.picked, best)
    assert.equal(report.pick.start, -value('start'))
    assert.equal(report.model, join(out, 'model'))
    assert.equal(weights(report.model), weights(join(out, `stages/chat-${best}/model`)))
    await (await loadModel(out)).dispose()
    assert.deepEqual(json(out, 'report.json'), report)
    const card = readFileSync(join(report.model, 'README.md'), 'utf8')
    for (const told of [`base_model: ${given.chat}`, 'language:\n  - de', 'library_name: transformers'])
      assert.ok(card.split('---')[1].includes(told), told)
    for (const told of ['adapted to German (de)', `**${best}**`, 'The rule: least texts/byte_perplexity'])
      assert.ok(card.includes(told), told)
    assert.match(card, /corpus: `.*corpus\.jsonl`, licence: to be stated/)
  })

  test('what is done is found; what a key, an arm or a text has changed is done again, with what stands on it', async () => {
    const { out } = whole
    const again = (changes) => adapted({ ...given, keep: 'all', out, ...changes }, { resume: true })
    const same = await again({ threads: 2 })
    assert.deepEqual(same.stages, [])
    assert.deepEqual(same.report.results, whole.report.results)
    assert.equal(same.report.inputs_sha256, whole.report.inputs_sha256)
    const slower = await again({ objectives: { inscp: { steps: 5 } } })
    assert.deepEqual(slower.stages, ['chat-inscp', 'inscp-evaluate'])
    const twice = [{ arm: 'cp', name: 'fast', objectives: { cp: { steps: 2 } } }]
    const more = await again({ objectives: { inscp: { steps: 5 } }, arms: ['inscp', ...twice] })
    assert.deepEqual(more.stages, ['chat-cp.fast', 'fast-evaluate'])
    assert.deepEqual(
      more.report.arms.map(({ name }) => name),
      ['inscp', 'fast'],
    )
    const other = await again({ pick: { by: 'texts/word_perplexity' } })
    assert.deepEqual(other.stages, ['chat-inscp', 'inscp-evaluate'])
  })

  test('only and skip leave arms for another day; what is measured takes part', async () => {
    const arms = ['cp', 'inscp', 'cp_vector']
    const config = { ...given, keep: 'all', out: whole.out, arms }
    for (const choice of [{ only: ['cp'] }, { skip: ['inscp', 'cp_vector'] }]) {
      const { stages, report } = await adapted({ ...config, ...choice }, { resume: true })
      assert.deepEqual(stages, [])
      assert.deepEqual(
        report.arms.map(({ measured }) => measured),
        [true, true, false],
      )
    }
  })

  test('an arm that fails a requirement cannot win; where none can, there is a table and no model', async () => {
    const rule = { by: 'texts/byte_perplexity' }
    const require = [{ measure: 'texts/byte_perplexity', at_most: 1 }]
    const config = configOf({ arms: ['cp'], pick: { ...rule, require } })
    const warnings = []
    const { report } = await adapted(config, { onWarning: (message) => warnings.push(message) })
    assert.equal(report.pick.picked, null)
    assert.equal(report.model, undefined)
    assert.match(
      report.pick.reason,
      /no arm can win: cp: texts\/byte_perplexity is [\d.]+, expected at most 1/,
    )
    assert.ok(warnings.includes(report.pick.reason))
    assert.ok(!existsSync(join(config.out, 'model')))
    assert.equal(report.results.length, 6)
    const loose = [{ measure: 'texts/byte_perplexity', not_worse_by: 0 }]
    const by = ['texts/byte_perplexity', { measure: 'texts/bits_per_byte', weight: 2 }]
    const { stages, report: now } = await adapted(
      { ...config, pick: { by, require: loose } },
      { resume: true },
    )
    assert.deepEqual(stages, [])
    const value = (metric) => now.results.find((row) => row.model === 'cp' && row.metric === metric).value
    const sum = -value('byte_perplexity') - 2 * value('bits_per_byte')
    assert.ok(Math.abs(now.pick.candidates[0].score - sum) < 1e-9)
    assert.match(now.pick.rule, /^least texts\/byte_perplexity \+ least texts\/bits_per_byte × 2, provided/)
    assert.equal(now.pick.picked, 'cp')
    assert.ok(existsSync(join(config.out, 'model/config.json')))
    const { report: strict } = await adapted(config, { resume: true })
    assert.equal(strict.model, undefined)
    assert.ok(!existsSync(join(config.out, 'model')), 'what is no result any more goes')
  })

  test('with keep: picked only the model that wins stays under stages/', async () => {
    const { report, out } = await adapted(configOf({ arms: ['cp', 'inscp'] }))
    const there = readdirSync(join(out, 'stages')).filter((name) =>
      existsSync(join(out, 'stages', name, 'model')),
    )
    assert.deepEqual(there, [`chat-${report.pick.picked}`])
  })

  test('models for which memory or disk are too small are refused by their sizes, at once', async () => {
    const sizes = {
      hidden_size: 16384,
      intermediate_size: 65536,
      num_hidden_layers: 160,
      num_attention_heads: 64,
    }
    const config = { ...tinyConfig(), ...sizes, num_key_value_heads: 64, vocab_size: 1000 }
    const chat = await writeHollowModel(place('hollow'), config)
    const training = { ...given.training, checkpoint: { every: 0 } }
    const huge = configOf({ chat, base: undefined, arms: ['cp'], training })
    await assert.rejects(adapt(huge).result, ({ code, message }) => {
      assert.match(code, /^ERR_(NO_SPACE|OUT_OF_MEMORY)$/)
      assert.match(message, /models and checkpoints of the stages|bytes of memory/)
      return true
    })
    assert.ok(!existsSync(huge.out), 'nothing is written')
  })

  test('its own result is no model to go on from', async () => {
    const { out } = whole
    for (const chat of [out, join(out, 'model')])
      await assert.rejects(
        adapt({ ...given, out, chat }, { resume: true }).result,
        ({ code, message, hint }) => {
          assert.equal(code, 'ERR_USAGE')
          assert.match(message, /expected a run folder apart from what is read, received the input /)
          assert.equal(hint, 'Choose another out.')
          return true
        },
      )
  })

  test('texts that are learnt and measured are warned of, before anything is done', async () => {
    const warnings = []
    const onWarning = (message) => warnings.push(message)
    const told = async (held_out) => {
      await adapt(configOf({ held_out, pick: { by: 'twice' } }), { dryRun: true, onWarning }).result
      return warnings.splice(0).filter((message) => message.startsWith('held_out'))
    }
    const learnt = { path: join(place('inputs'), '*corpus.jsonl') }
    const [warning, ...more] = await told({ twice: [...given.held_out.texts, learnt] })
    assert.match(warning, /^held_out\.twice: .*corpus\.jsonl is in corpus too: its perplexity/)
    assert.deepEqual([more, await told({ twice: given.held_out.texts })], [[], []])
  })

  test('so are texts that an arm searches its scale by', async () => {
    const told = async (data) => {
      const warnings = []
      const onWarning = (message) => warnings.push(message)
      const search = { scales: [0.5, 1], objectives: [{ name: 'language', loss: 'text', data }] }
      const arms = ['cp', { arm: 'cp_vector', name: 'found', search }]
      await adapt(configOf({ arms }), { dryRun: true, onWarning }).result
      return warnings.filter((message) => message.startsWith('held_out'))
    }
    const [warning, ...more] = await told(given.held_out.texts)
    assert.match(
      warning,
      /^held_out\.texts: .*held_out\.jsonl is what found searches its scale by: its perplexity/,
    )
    assert.deepEqual([more, await told(given.corpus)], [[], []])
  })

  test('a dry run names the stages whose time it does not estimate', async () => {
    const { stages, seconds, not_estimated } = await adapt(configOf({ arms: ['cp', 'cp_vector'] }), {
      dryRun: true,
    }).result
    assert.deepEqual(not_estimated, ['cp_vector-vector'])
    const without = stages.filter((stage) => stage.seconds === undefined).map(({ stage }) => stage)
    assert.deepEqual(without, not_estimated)
    assert.ok(seconds > 0)
  })

  test('refused before anything is written: each error names the arm and the key', async () => {
    const { base: _, ...without } = given
    const searched = { objectives: [{ name: 'texts', loss: 'text', data: given.held_out.texts }] }
    const said = place('said.yaml')
    const data = given.corpus[0].path
    writeFileSync(
      said,
      `task: said\noutput_type: generate_until\ndataset_path: json\ndataset_kwargs: { data_files: { test: ${data} } }\ntest_split: test\ndoc_to_text: text\nmetric_list: [{ metric: length_tokens }]\n`,
    )
    const cases = [
      [
        { ...without, base: undefined, arms: ['cp', 'cp_vector'] },
        /arms\.1, cp_vector: expected base/,
        /base: FOLDER/,
      ],
      [
        { arms: ['cp_sft'], instructions: undefined },
        /arms\.0, cp_sft: expected instructions/,
        /instructions: \[/,
      ],
      [{ arms: [{ arm: 'cp', scale: 1 }] }, /arms\.0, cp: scale: expected none/, /Leave it out/],
      [{ arms: ['cp', 'cp'] }, /arms\.1\.name: .*received cp twice/, /name: NAME/],
      [{ arms: ['cp', { arm: 'cp', name: 'CP' }] }, /received CP beside cp/, /capitals/],
      [{ arms: [{ arm: 'cp_vector', scle: 1 }] }, /arms\.0\.scle: unknown key/, /Did you mean 'scale'/],
      [{ arms: ['cp', 'inscp'], pick: undefined }, /pick: expected the rule/, /TASK\/METRIC/],
      [{ pick: { by: 'texts/acc' } }, /expected one of .*byte_perplexity.* received texts\/acc/, /texts\//],
      [{ pick: { by: 'mmlu' } }, /pick: expected a task that is measured, received mmlu/, /texts/],
      [
        { evaluate: { tasks: [said] }, pick: { by: 'said/length_tokens' } },
        /said\/length_tokens: expected better: more \| less/,
        /depends on what was asked/,
      ],
      [{ only: ['insc'] }, /only: expected names of arms, or compress, received insc/, /inscp/],
      [
        { only: ['cp', 'inscp'], skip: ['cp'] },
        /skip: expected arms that only does not name, .* cp in both/,
        /cp is/,
      ],
      [
        { training: { ...given.training, sequence_length: 257 } },
        /arms\.0, cp: .*sequence_length: expected at most 256, received 257/,
        /max_position_embeddings/,
      ],
      [
        { arms: [{ arm: 'cp_vector', search: { ...searched, sequence_length: 300 } }], pick: undefined },
        /arms\.0, cp_vector: sequence_length: expected at most 256, received 300/,
        /max_position_embeddings/,
      ],
      [{ training: { steps: 3, tokens: 9 } }, /training: expected steps or tokens/, /Leave one/],
      [{ held_out: {} }, /evaluate\.tasks: expected a task/, /held_out/],
      [
        {
          arms: [
            {
              arm: 'inscp',
              objectives: { inscp: { lora: { rank: 2 }, schedule: { kind: 'wsd', decay: 99 } } },
            },
          ],
        },
        /arms\.0, inscp: schedule/,
        /./,
      ],
    ]
    for (const [changes, message, hint] of cases) await refused(changes, 'ERR_CONFIG', message, hint)
    await refused({ pick: { by: [1] } }, 'ERR_CONFIG', /pick\.by\.0: expected TASK\/METRIC, or \{/)
    await refused({ pick: { by: 1 } }, 'ERR_CONFIG', /pick\.by: expected TASK\/METRIC, .* or a list of them/)
    await refused({ corpus: [{ path: place('none.txt') }] }, 'ERR_NOT_FOUND', /none\.txt/, /./)
    await refused({ evaluate: { tasks: ['mmlu'] } }, 'ERR_NOT_FOUND', /mmlu/, /./)
  })
})
