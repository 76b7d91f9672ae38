// dispose: calls that run end as if nobody had disposed, whatever they have to do before, between and behind their native
// jobs; later ones are refused.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadLanguageIdentifier, loadModel, stats } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { glide, wav } from '../helpers/sounds.mjs'
import { encoderConfig, sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { hubertConfig, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const ROWS = [[1, 5, 9, 14]]
const FEW = { maxNewTokens: 4 }
const TEXTS = Array.from({ length: 5 }, (_, i) => sentence(i))

describe('dispose', () => {
  const root = temporaryFolder()
  const [target, base, chat, masked, classifier] = ['target', 'base', 'chat', 'masked', 'classifier'].map(
    (name) => join(root, name),
  )
  before(async () => {
    for (const [i, folder] of [target, base, chat].entries()) await writeTinyModel(folder, { seed: i + 1 })
    await writeTinyEncoder(masked)
    await writeTinyEncoder(classifier, encoderConfig({ architectures: ['BertForSequenceClassification'] }))
  })

  /** The call on a model that lives on, and on one that is disposed of as soon as it is made. */
  const sameWhileDisposed = async (load, call) => {
    const kept = await load()
    const expected = await call(kept)
    await kept.dispose()
    const model = await load()
    const [answer, gone] = [call(model), model.dispose()]
    await assert.rejects(call(model), { code: 'ERR_DISPOSED' })
    assert.deepEqual(await answer, expected)
    await gone
    await model.dispose()
  }
  const written = async (run) => {
    const { tokens_per_second: _, ...generation } = await run.result
    return generation
  }

  const decoderCalls = {
    generate: (model) => written(model.generate('the police', FEW)),
    chat: (model) => written(model.chat([{ role: 'user', content: 'what ?' }], FEW)),
    generateIds: (model) => model.generateIds(ROWS, FEW),
  }
  const unserved = {
    score: (model) => model.score('the police'),
    scoreIds: (model) => model.scoreIds(ROWS),
    likelihoods: (model) => model.likelihoods([{ ids: ROWS[0], firstTarget: 2 }]),
    logits: (model) => model.logits(ROWS),
  }
  for (const serving of [false, true])
    for (const [name, call] of Object.entries({ ...decoderCalls, ...(serving ? {} : unserved) }))
      test(`lets ${name} of a model end${serving ? ' that serves' : ''}`, () =>
        sameWhileDisposed(() => loadModel(target, { threads: 1, serving }), call))

  const encoderCalls = {
    embed: (model) => model.embed(TEXTS),
    embedIds: (model) => model.embedIds(ROWS),
    fillMask: (model) => model.fillMask('the [MASK] sees'),
    maskedLoss: (model) => model.maskedLoss([...ROWS, ...ROWS, ...ROWS]),
    logits: (model) => model.logits(ROWS),
  }
  for (const [name, call] of Object.entries(encoderCalls))
    test(`lets ${name} of an encoder end`, () =>
      sameWhileDisposed(() => loadModel(masked, { threads: 1 }), call))
  for (const [name, call] of Object.entries({
    classify: (model) => model.classify(TEXTS),
    classifyIds: (model) => model.classifyIds(ROWS),
  }))
    test(`lets ${name} of a classifier end`, () =>
      sameWhileDisposed(() => loadModel(classifier, { threads: 1 }), call))

  test('lets sounds be heard to their end, and leaves no front end behind', async () => {
    const folder = await writeTinySpeech(join(root, 'speech'), hubertConfig())
    const frontEnd = { sampling_rate: 8000, do_normalize: true }
    writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(frontEnd))
    const files = [0.2, 0.3, 0.4].map((seconds, i) => {
      const file = join(root, `${i}.wav`)
      writeFileSync(file, wav(glide({ rate: 8000, seconds }), { rate: 8000 }))
      return file
    })
    await sameWhileDisposed(
      () => loadModel(folder, { threads: 1 }),
      (model) => model.hiddenStates(files),
    )
    const { objects } = stats()
    assert.deepEqual(
      Object.keys(objects).filter((name) => /front/i.test(name)),
      [],
    )
  })

  test('lets texts more than a job takes be told their language', () => {
    const model = fileURLToPath(new URL('../golden/fasttext/plain.bin', import.meta.url))
    return sameWhileDisposed(
      () => loadLanguageIdentifier({ model }),
      (identifier) => identifier.identify(Array(200).fill('the old dog')),
    )
  })
})
