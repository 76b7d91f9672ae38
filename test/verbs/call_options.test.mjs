// Options of calls on models in memory: a value that a call cannot take is refused by its name, and not taken for another.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { graft, inspect, loadLanguageIdentifier } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { loadedModels } from '../helpers/loaded_models.mjs'
import { idOf } from '../helpers/tiny_encoder.mjs'
import { noise } from '../helpers/tiny_speech.mjs'

describe('options of calls on', () => {
  const root = temporaryFolder()
  const models = loadedModels(root)

  const refused = async (call, values, message) => {
    for (const value of values)
      await assert.rejects(call(value), (error) => {
        assert.equal(error.code, 'ERR_USAGE', `${String(value)}: ${error.stack}`)
        assert.match(error.message, message)
        return true
      })
  }
  const NO_OBJECTS = [null, 5, 'x', []]
  const NO_FLAGS = ['no', 0, {}]

  test('an encoder: pooling, normalize, truncate, topK, what is hidden', async () => {
    const { encoder: model, classifier } = models
    const ids = ['[CLS]', 'the', 'dog', '[SEP]'].map(idOf)
    await refused(
      (pooling) => model.embed('the', { pooling }),
      ['max', 'CLS', null, 1],
      /^pooling: expected mean, cls/,
    )
    await refused((pooling) => model.embedIds([ids], { pooling }), ['max'], /^pooling: .*, received 'max'$/)
    await refused(
      (normalize) => model.embed('the', { normalize }),
      NO_FLAGS,
      /^embed: normalize: expected true or false/,
    )
    await refused(
      (truncate) => model.embed('the', { truncate }),
      NO_FLAGS,
      /^embed: truncate: expected true or false/,
    )
    await refused((truncate) => classifier.classify('the', { truncate }), NO_FLAGS, /^classify: truncate: /)
    const fill = (topK) => model.fillMask('the [MASK]', { topK })
    await refused(fill, [-1, 0, 2.5, Number.NaN, 'x', '3', null], /^topK: expected a whole number from 1 to/)
    assert.equal((await fill(1e6))[0].candidates.length, model.spec.vocab_size)
    await refused(
      (seed) => model.maskedLoss([ids], { seed }),
      [-1, 1.5, 'x', null],
      /^seed: expected a whole number/,
    )
    for (const name of ['probability', 'mask', 'random'])
      await refused(
        (share) => model.maskedLoss([ids], { [name]: share }),
        [-0.1, 1.1, 'x', Number.NaN],
        /: expected a number/,
      )
    await refused(
      (mask) => model.maskedLoss([ids], { mask, random: 0.2 }),
      [0.9],
      /^mask \+ random: expected/,
    )
    assert.deepEqual(
      await model.maskedLoss([ids], { probability: undefined, mask: undefined }),
      await model.maskedLoss([ids]),
    )
    await refused(
      (options) => model.embed('the', options),
      NO_OBJECTS,
      /^embed: expected an object of options/,
    )
    await refused((options) => model.embedIds([ids], options), NO_OBJECTS, /^embed: expected/)
    await refused((options) => model.fillMask('the', options), NO_OBJECTS, /^fillMask: expected/)
    await refused((options) => model.maskedLoss([ids], options), NO_OBJECTS, /^maskedLoss: expected/)
    await refused((options) => classifier.classify('the', options), NO_OBJECTS, /^classify: expected/)
    await refused((options) => classifier.classifyIds([ids], options), NO_OBJECTS, /^classifyIds: expected/)
  })

  test('a speech encoder: layers', async () => {
    const { speech: model } = models
    const sound = noise(12, 1)
    const hear = (layers) => model.hiddenStates([sound], { layers })
    await refused(hear, [[], 'last', 1, null], /^layers: expected a list of one layer or more/)
    await refused(hear, [['first'], [null], [0.5]], /^layers: expected 0 to 2 or last/)
    await refused((options) => model.hiddenStates([sound], options), NO_OBJECTS, /^hiddenStates: expected/)
  })

  test('a model that writes: the first token that counts, batches, grafts, sampling', async () => {
    const { decoder: model } = models
    const row = [1, 5, 9]
    const score = (firstTarget) => model.scoreIds([row, [...row, 2]], { firstTarget })
    await refused(score, [-1, 0, 1.5, Number.NaN, '2', null], /^firstTarget: expected a whole number from 1/)
    await refused(score, [3, 99], /^firstTarget: expected a place below 3, the tokens of row 0, received/)
    assert.deepEqual(
      (await score(2)).map(({ tokens }) => tokens),
      [1, 2],
    )
    assert.deepEqual(await model.scoreIds([[1]], { firstTarget: 1 }), await model.scoreIds([[1]]))
    const likelihood = (firstTarget) =>
      model.likelihoods([
        { ids: row, firstTarget: 1 },
        { ids: row, firstTarget },
      ])
    await refused(
      likelihood,
      [1.5, Number.NaN, '2', null, undefined, 2 ** 32 + 1],
      /^firstTarget of request 1: expected a whole number/,
    )
    for (const firstTarget of [0, 3]) await assert.rejects(likelihood(firstTarget), { code: 'ERR_DATA' })
    await refused(
      (batchTokens) => model.likelihoods([{ ids: row, firstTarget: 1 }], { batchTokens }),
      [-1, 1.5, 'x', null],
      /^batchTokens: expected a whole number from 0/,
    )
    const delta = { base: join(root, 'decoder'), chat: join(root, 'decoder') }
    await refused(
      (force) => model.graft({ base: 'base', chat: 'chat' }, { force }),
      NO_FLAGS,
      /^graft: force: expected true or false/,
    )
    await refused(
      (standalone) => model.generate(row, { standalone }).result,
      NO_FLAGS,
      /^generate: standalone: expected true or false/,
    )
    await refused(
      (delta) => model.graft(delta),
      [null, undefined, 5, {}, { base: 'x' }, []],
      /^delta: expected the folder/,
    )
    await refused(
      (options) => model.graft(delta, options),
      NO_OBJECTS,
      /^graft: expected an object of options/,
    )
    await refused((options) => model.scoreIds([row], options), NO_OBJECTS, /^scoreIds: expected/)
    await refused((options) => model.score('the police', options), NO_OBJECTS, /^score: expected/)
    await refused((options) => model.generateIds([row], options), NO_OBJECTS, /^generateIds: expected/)
    await refused((options) => model.likelihoods([], options), NO_OBJECTS, /^likelihoods: expected/)
    const sample = (temperature) => model.generateIds([row], { temperature })
    await refused(sample, ['0.5', null, [], true], /^temperature: expected a number from 0 to 100/)
  })
  test('all models: what a call does not know, and a listener that is none', async () => {
    const { encoder, classifier, decoder, speech } = models
    const row = [1, 5, 9]
    const delta = { base: join(root, 'decoder'), chat: join(root, 'decoder') }
    const calls = {
      embed: (options) => encoder.embed('the', options),
      fillMask: (options) => encoder.fillMask('the [MASK]', options),
      maskedLoss: (options) => encoder.maskedLoss([row], options),
      classify: (options) => classifier.classify('the', options),
      classifyIds: (options) => classifier.classifyIds([row], options),
      hiddenStates: (options) => speech.hiddenStates([noise(12, 1)], options),
      score: (options) => decoder.score('the police', options),
      scoreIds: (options) => decoder.scoreIds([row], options),
      likelihoods: (options) => decoder.likelihoods([{ ids: row, firstTarget: 1 }], options),
      generateIds: (options) => decoder.generateIds([row], options),
      generate: (options) => decoder.generate(row, options).result,
      chat: (options) => decoder.chat([{ role: 'user', content: 'the' }], options).result,
      graft: (options) => decoder.graft(delta, options),
      identify: async (options) => (await loadLanguageIdentifier()).identify(['the'], options),
    }
    for (const [name, call] of Object.entries(calls)) {
      const expected = (what) => new RegExp(`^${name}: ${what}`)
      await refused(call, [{ bogus: 1 }], expected('bogus: unknown option$'))
      await refused(call, NO_OBJECTS, expected('expected an object of options'))
      const listener = { generate: 'onToken', generateIds: 'onToken', chat: 'onToken' }[name] ?? 'onProgress'
      if (name !== 'identify')
        await refused(
          call,
          [{ [listener]: 'x' }],
          expected(`${listener}: expected a function, received 'x'$`),
        )
    }
  })

  test('flags and listeners that are null count as not given', async () => {
    const { encoder } = models
    const nothing = { normalize: null, truncate: null, onProgress: null }
    assert.deepEqual(await encoder.embed('the', nothing), await encoder.embed('the'))
    const folder = join(root, 'decoder')
    assert.deepEqual(await inspect(folder, { scan: null, macs: null }), await inspect(folder))
    const vector = { target: folder, base: folder, chat: folder, out: join(root, 'grafted') }
    const made = await graft({ ...vector, dryRun: null, overwrite: null, resume: null, force: null })
    assert.equal(made.dry_run, false)
  })
})
