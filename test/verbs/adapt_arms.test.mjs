// The arms of an adaptation against the verbs alone: what they share, vectors, scales that are searched for, more tokens,
// the winner made smaller; and what is foretold of them.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { adapt, compress, extendVocabulary, graft, inspect } from 'tongueforge'
import { loadModelText } from '#lib/text/model_text'
import { Tokenizer } from '#lib/text/tokenizer'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyAdaptation, withBytePairs } from '../helpers/tiny_adaptation.mjs'

describe('arms of adapt', () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'), 'base64')
  const stage = ({ out }, name) => join(out, 'stages', name)
  let given
  let made = 0
  const configOf = (changes = {}) => ({ ...given, keep: 'all', out: place(`run-${made++}`), ...changes })
  const adapted = async (config, options) => {
    const run = adapt(config, options)
    const stages = []
    for await (const event of run) if (event.event === 'stage') stages.push(event.stage)
    return { stages, report: await run.result }
  }
  const searched = () => ({
    ...{ scales: [0, 0.5, 1], sequence_length: 48 },
    objectives: [
      { name: 'language', loss: 'text', data: given.held_out.texts },
      { name: 'manners', loss: 'messages', data: given.instructions },
    ],
  })
  const pipeline = {
    calibration: { samples: 8, sequence_length: 48 },
    stages: [
      { method: 'rows', keep: 64 },
      { method: 'recover', steps: 2, sequence_length: 48 },
    ],
  }
  let config
  let whole
  before(async () => {
    given = await tinyAdaptation(place('inputs'))
    const arms = ['cp_vector', { arm: 'inscp_vector', search: searched() }, 'cp_sft_dpo']
    config = configOf({ arms, compress: pipeline })
    whole = await adapted(config)
  })

  test('what arms have in common is trained once', () => {
    assert.deepEqual(whole.stages, [
      'start-evaluate',
      ...['base-cp', 'cp_vector-vector', 'cp_vector-evaluate'],
      ...['chat-inscp', 'inscp_vector-vector', 'inscp_vector-evaluate'],
      ...['base-cp-sft', 'base-cp-sft-dpo', 'cp_sft_dpo-evaluate'],
      ...['compress', 'compressed-evaluate'],
    ])
    assert.deepEqual(
      whole.report.stages.map(({ stage: name }) => name),
      whole.stages,
    )
    assert.deepEqual(
      whole.report.arms.map(({ about }) => /, (scale.*|its scale.*)$/.exec(about)?.[1]),
      ['scale 1', 'its scale searched for', undefined],
    )
    assert.equal(whole.report.arms.filter(({ measured }) => measured).length, 3)
  })

  test('a vector is what graft adds: at the scale that is given, or at the best that sweep finds', async () => {
    const { chat, base } = given
    const alone = async (target, scale, out) =>
      weights((await graft({ target: stage(config, target), base, chat, scale, out: place(out) })).out)
    assert.equal(await alone('base-cp', 1, 'cp'), weights(stage(config, 'cp_vector-vector')))
    const sweep = JSON.parse(readFileSync(join(stage(config, 'inscp_vector-vector'), 'report.json'), 'utf8'))
    assert.equal(sweep.points.length, 3)
    const { scale } = whole.report.stages.find(({ stage: name }) => name === 'inscp_vector-vector').figures
    assert.equal(scale, sweep.best_scale)
    const found = weights(join(stage(config, 'inscp_vector-vector'), 'model'))
    assert.equal(await alone('chat-inscp', scale, 'inscp'), found)
  })

  test('a base model learns to talk in the template of the chat model', () => {
    const template = (folder) => readFileSync(join(folder, 'chat_template.jinja'), 'utf8')
    assert.equal(template(join(stage(config, 'base-cp-sft-dpo'), 'model')), template(given.chat))
  })

  test('the winner made smaller is what compress makes of it, lies beside it, and is measured', async () => {
    const { picked } = whole.report.pick
    const { result } = whole.report.arms.find(({ name }) => name === picked)
    const { data_cache, threads, seed, corpus: data } = given
    const { model } = await compress({
      ...{ model: stage(config, result), out: place('small'), data_cache, threads, seed, ...pipeline },
      ...{ calibration: { ...pipeline.calibration, data }, recovery: { data }, dtype: 'float32' },
    }).result
    assert.equal(whole.report.compressed, join(config.out, 'compressed'))
    assert.equal(weights(whole.report.compressed), weights(model))
    assert.notEqual(weights(whole.report.model), weights(model))
    const names = new Set(whole.report.results.map((row) => row.model))
    assert.ok(names.has('compressed'))
    const card = readFileSync(join(whole.report.compressed, 'README.md'), 'utf8')
    assert.match(card, /^# .*, made smaller$/m)
  })

  test('a dry run tells stages, tokens, memory, disk and time, and writes nothing', async () => {
    const out = place('never')
    const plan = await adapt({ ...config, out }, { dryRun: true }).result
    assert.ok(!existsSync(out))
    assert.deepEqual(
      plan.stages.map(({ stage: name }) => name),
      whole.stages,
    )
    const of = (name) => plan.stages.find((one) => one.stage === name)
    const steps = 6 * 4 * 48
    for (const name of ['base-cp', 'chat-inscp', 'base-cp-sft', 'base-cp-sft-dpo'])
      assert.equal(of(name).tokens, steps, name)
    assert.deepEqual(
      ['base-cp', 'base-cp-sft', 'compress'].map((name) => of(name).estimate),
      [false, true, true],
    )
    const { bytes } = await inspect(join(stage(config, 'base-cp'), 'model'))
    const { checkpoint_bytes } = JSON.parse(
      readFileSync(join(stage(config, 'base-cp'), 'report.json'), 'utf8'),
    ).plan
    assert.equal(of('base-cp').disk_bytes, bytes + 3 * checkpoint_bytes)
    assert.ok(plan.disk_bytes >= plan.stages.reduce((sum, one) => Math.max(sum, one.disk_bytes), 0))
    const alone = await adapt({ ...config, out, keep: 'picked' }, { dryRun: true }).result
    assert.ok(alone.disk_bytes < plan.disk_bytes, 'what cannot win goes')
    assert.equal(plan.memory_bytes, of(plan.memory_stage).memory_bytes)
    assert.ok(plan.seconds > 0 && plan.tokens > 4 * steps)
  })

  test('chat and base get the same tokens before anything is trained', async () => {
    const more = await withBytePairs(place('pairs'), given)
    const vocabulary = { tokens: 12, min_count: 2 }
    const arms = ['cp_vector', 'inscp']
    const extended = { ...more, keep: 'all', out: place('extended'), vocabulary, arms }
    const { stages, report } = await adapted(extended)
    assert.deepEqual(stages.slice(0, 3), ['start-evaluate', 'base-vocabulary', 'base-cp'])
    const tokens = async (folder) => (await Tokenizer.load(folder)).vocabSize
    const [chat, base] = ['chat', 'base'].map((name) => stage(extended, `${name}-vocabulary`))
    assert.equal(await tokens(chat), (await tokens(more.chat)) + 12)
    assert.equal(
      readFileSync(join(chat, 'tokenizer.json'), 'utf8'),
      readFileSync(join(base, 'tokenizer.json'), 'utf8'),
    )
    assert.equal(await tokens(report.model), await tokens(chat))
  })

  test('a base model that lacks tags of the chat model gets them before it reads conversations', async () => {
    const pairs = await withBytePairs(place('tags'), given)
    const tags = ['<|user|>', '<|assistant|>']
    const chatTemplate = place('tags.jinja')
    writeFileSync(
      chatTemplate,
      `{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|tag|>' }}{% endfor %}{% if add_generation_prompt %}{{ '${tags[1]}' }}{% endif %}`,
    )
    const model = pairs.chat
    const { out: chat } = await extendVocabulary({
      model,
      out: place('tagged'),
      specialTokens: tags,
      chatTemplate,
    })
    const talking = { ...pairs, chat, keep: 'all', out: place('talking'), arms: ['cp_sft'], pick: undefined }
    const { stages } = await adapted(talking)
    assert.deepEqual(stages, [
      ...['start-evaluate', 'base-cp', 'base-cp-tags', 'base-cp-sft', 'cp_sft-evaluate'],
    ])
    const tagged = stage(talking, 'base-cp-tags')
    const { template, tokenizer } = await loadModelText(tagged)
    assert.equal(
      template.render([{ role: 'user', content: 'a' }], { addGenerationPrompt: true }),
      '<|user|>a<|tag|><|assistant|>',
    )
    for (const tag of tags) assert.ok(tokenizer.tokenToId(tag) !== undefined, tag)
    const scaled = { target: join(stage(talking, 'base-cp'), 'model'), base: pairs.base, chat, scale: 0 }
    assert.equal(weights(tagged), weights((await graft({ ...scaled, out: place('tagged-alone') })).out))
  })

  test('a session that leaves compression out keeps what an earlier one made, until another arm wins', async () => {
    const compressed = join(config.out, 'compressed')
    const before = weights(compressed)
    for (const choice of [{ skip: ['compress'] }, { only: ['cp_vector'] }]) {
      const { stages, report } = await adapted({ ...config, ...choice }, { resume: true })
      assert.deepEqual(stages, [])
      assert.equal(report.compressed, compressed)
      assert.equal(weights(compressed), before)
      assert.deepEqual(report.results, whole.report.results)
      assert.deepEqual(report.stages, whole.report.stages)
    }
    const pick = { by: { measure: 'texts/byte_perplexity', better: 'more' } }
    const { report } = await adapted({ ...config, pick, skip: ['compress'] }, { resume: true })
    assert.notEqual(report.pick.picked, whole.report.pick.picked)
    assert.equal(report.compressed, undefined)
    assert.ok(!existsSync(compressed), 'it was made of another')
  })
})
