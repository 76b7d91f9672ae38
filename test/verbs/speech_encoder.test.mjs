// A speech encoder in memory: hidden states of sounds, by layer and by place. Numbers are held against transformers in
// test/golden/speech.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect, loadModel, loadSpeechEncoder, readAudio } from 'tongueforge'
import { FrontEnd } from '#lib/audio/front_end'
import { withLayers } from '#lib/checkpoint/layer_config'
import { speechLinears, speechSpec } from '#lib/checkpoint/speech_config'
import { countParameters } from '#lib/counting/parameters'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { glide, wav } from '../helpers/sounds.mjs'
import { hubertConfig, melHubertConfig, noise, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const WIDTH = 6 // of the tiny MelHuBERT's frames
const frames = (places, seed) => noise(places * WIDTH, seed)
const rejected = (promise, code, message) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })

describe('speech encoder', () => {
  const root = temporaryFolder()
  const opened = async (name, config, options = {}) =>
    loadModel(await writeTinySpeech(join(root, name), config), { threads: 1, ...options })

  test('hidden states are told of every layer, or of those that are asked for, in their order', async () => {
    const model = await opened('mel')
    const sounds = [frames(7, 1), frames(3, 2)]
    const all = await model.hiddenStates(sounds)
    assert.deepEqual(
      all.map(({ places, states }) => [places, states.map(({ length }) => length)]),
      [
        [7, [7 * 16, 7 * 16, 7 * 16]],
        [3, [3 * 16, 3 * 16, 3 * 16]],
      ],
    )
    const some = await model.hiddenStates(sounds, { layers: [2, 0, 'last', 2] })
    for (const [i, { states }] of some.entries()) {
      const [zero, , two] = all[i].states
      assert.deepEqual(states, [two, zero, two, two]) // no norm stands behind its blocks
    }
    await model.dispose()
  })

  test('behind the blocks of a large model stands a norm: last is not the last layer', async () => {
    const model = await opened('large', hubertConfig({ do_stable_layer_norm: true }))
    const [{ states }] = await model.hiddenStates([noise(300, 1)], { layers: [2, 'last'] })
    assert.notDeepEqual(states[0], states[1])
    const place = states[1].slice(0, 16)
    assert.ok(Math.abs(place.reduce((sum, x) => sum + x, 0)) < 1e-4, 'the mean of a normed place is 0')
    await model.dispose()
  })

  test('hidden places are not heard, and marks belong to sounds', async () => {
    const model = await opened('hidden')
    const sound = frames(5, 3)
    const other = Float32Array.from(sound, (x, i) => (Math.floor(i / WIDTH) === 2 ? x + 1 : x))
    const hidden = [Int32Array.of(0, 0, 1, 0, 0)]
    assert.deepEqual(
      await model.hiddenStates([sound], { hidden }),
      await model.hiddenStates([other], { hidden }),
    )
    assert.notDeepEqual(await model.hiddenStates([sound]), await model.hiddenStates([other]))
    await rejected(
      model.hiddenStates([sound, sound], { hidden }),
      'ERR_USAGE',
      /marks for each of 2 sounds, received 1/,
    )
    await rejected(
      model.hiddenStates([sound], { hidden: [Int32Array.of(1)] }),
      'ERR_DATA',
      /one mark for each of 5 places in row 0, received 1/,
    )
    await model.dispose()
  })

  test('what it cannot hear, and layers that it does not have, are refused', async () => {
    const mel = await opened('refusing')
    await rejected(
      mel.hiddenStates([frames(2, 1), noise(7, 1)]),
      'ERR_DATA',
      /frames of 6 numbers in sound 1, received 7/,
    )
    await rejected(
      mel.hiddenStates([new Float32Array()]),
      'ERR_DATA',
      /long enough for one place in row 0, received 0 frames/,
    )
    await rejected(
      mel.hiddenStates([frames(2, 1)], { layers: [3] }),
      'ERR_USAGE',
      /layers: expected 0 to 2 or last, received 3/,
    )
    const folder = join(root, 'refusing')
    await rejected(loadSpeechEncoder(folder, { adapter: 'x' }), 'ERR_USAGE', /no adapter/)
    await rejected(
      loadSpeechEncoder(folder, { serving: true }),
      'ERR_USAGE',
      /^serving: .*, received a speech encoder$/,
    )
    for (const quantized of ['auto', 'packed', null])
      await rejected(loadModel(folder, { quantized }), 'ERR_USAGE', /^quantized: expected dense of a speech/)
    await (await loadModel(folder, { quantized: 'dense', serving: false })).dispose()
    await mel.dispose()
    await rejected(mel.hiddenStates([frames(2, 1)]), 'ERR_DISPOSED', /speech encoder was disposed of/)
    const hubert = await opened('short', hubertConfig())
    await rejected(hubert.hiddenStates([noise(29, 1)]), 'ERR_DATA', /long enough .* received 29 samples/)
    await hubert.dispose()
  })

  test('a call tells how far it is, and ends when it is aborted', async () => {
    const model = await opened('abort')
    const sounds = Array.from({ length: 30 }, (_, i) => frames(100 + i, i))
    const told = []
    await model.hiddenStates(sounds, {
      layers: ['last'],
      onProgress: ({ done, total }) => told.push([done, total]),
    })
    assert.deepEqual(told.at(-1), [30, 30])
    const reason = new Error('enough')
    await assert.rejects(model.hiddenStates(sounds, { signal: AbortSignal.abort(reason) }), reason)
    await model.dispose()
  })

  test('work on long sound ends within it', async () => {
    const sound = noise(16000 * 60, 1)
    const wide = { conv_dim: [64, 64, 64], num_hidden_layers: 4, hidden_size: 64 }
    const model = await opened('long', hubertConfig(wide))
    const controller = new AbortController()
    const reason = new Error('enough')
    const call = model.hiddenStates([sound], { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    await assert.rejects(call, reason)
    await model.dispose()
  })

  test('files and samples go through the front end of the folder', async () => {
    const sound = glide({ rate: 8000, seconds: 0.3 })
    const file = join(root, 'glide.wav')
    writeFileSync(file, wav(sound, { rate: 8000 }))
    const audio = await readAudio(file)
    for (const [config, frontEnd] of [
      [
        melHubertConfig({ feat_emb_dim: 12 }),
        {
          ...{ feature_extractor_type: 'MelHubertFeatureExtractor', sampling_rate: 8000 },
          ...{ num_mel_bins: 6, stacked_frames: 2 },
        },
      ],
      [hubertConfig(), { sampling_rate: 8000, do_normalize: true }],
    ]) {
      const folder = await writeTinySpeech(join(root, `heard-${config.model_type}`), config)
      writeFileSync(join(folder, 'preprocessor_config.json'), JSON.stringify(frontEnd))
      const model = await loadModel(folder, { threads: 1 })
      const heard = await (await FrontEnd.open(folder)).sound(audio)
      const expected = await model.hiddenStates([heard.data])
      assert.equal(expected[0].places, heard.places)
      assert.deepEqual(await model.hiddenStates([file]), expected)
      assert.deepEqual(await model.hiddenStates([audio]), expected)
      await rejected(model.hiddenStates([join(root, 'none.wav')]), 'ERR_NOT_FOUND', /none\.wav/)
      await model.dispose()
    }
    const other = await writeTinySpeech(join(root, 'other'), melHubertConfig())
    const model = await loadModel(other)
    await rejected(model.hiddenStates([file]), 'ERR_NOT_FOUND', /preprocessor_config\.json/)
    await model.dispose()
    cpSync(join(root, 'heard-hubert', 'preprocessor_config.json'), join(other, 'preprocessor_config.json'))
    const mistaken = await loadModel(other)
    await rejected(
      mistaken.hiddenStates([audio]),
      'ERR_MODEL_CONFIG',
      /expected frames of 6 numbers, as config\.json says, received samples/,
    )
    await mistaken.dispose()
  })

  test('a folder whose blocks differ and are factored is read, counted and heard as it was written', async () => {
    for (const config of [melHubertConfig(), hubertConfig()]) {
      const { layers, head_dim } = speechSpec(config)
      const down = speechLinears(speechSpec(config), layers[0]).at(-1).name
      const cut = [
        { ...layers[0], intermediate_size: 7, ranks: { [down]: 3 } },
        { ...layers[1], num_heads: 1, num_kv_heads: 1 },
      ]
      const written = withLayers(config, cut, { head_dim })
      const folder = await writeTinySpeech(join(root, `cut-${config.model_type}`), written)
      const { architecture, parameters } = await inspect(folder)
      assert.equal(architecture, config.model_type)
      assert.equal(parameters.total, countParameters(speechSpec(written)))
      const model = await loadModel(folder)
      const [{ states }] = await model.hiddenStates([noise(300, 1)])
      assert.equal(states.length, 3)
      await model.dispose()
    }
  })

  test('no sound has no states', async () => {
    const model = await opened('none')
    assert.deepEqual(await model.hiddenStates([]), [])
    await model[Symbol.asyncDispose]()
  })

  test('in bfloat16 the states are the same but for rounding', async () => {
    for (const config of [melHubertConfig(), hubertConfig()]) {
      const sound = config.model_type === 'hubert' ? noise(300, 5) : frames(9, 5)
      const folder = await writeTinySpeech(join(root, `half-${config.model_type}`), config)
      const states = async (dtype) => {
        const model = await loadModel(folder, { dtype })
        const [{ states }] = await model.hiddenStates([sound], { layers: ['last'] })
        await model.dispose()
        return states[0]
      }
      const [exact, half] = [await states('float32'), await states('bfloat16')]
      const apart = exact.reduce((most, x, i) => Math.max(most, Math.abs(x - half[i])), 0)
      assert.ok(apart > 0 && apart < 0.2, `${config.model_type}: ${apart}`)
    }
  })

  test('saved again, a folder has the same bytes', async () => {
    for (const config of [melHubertConfig(), hubertConfig()]) {
      const folder = await writeTinySpeech(join(root, `again-${config.model_type}`), config)
      const before = readFileSync(join(folder, 'model.safetensors'))
      const spec = speechSpec(config)
      const model = await runJob('loadModel', { folder, spec, dtype: 'float32', threads: 1 })
      rmSync(join(folder, 'model.safetensors'))
      await runJob('saveModel', { model, folder, dtype: 'float32', max_shard_bytes: 1e9 })
      native().dispose(model)
      assert.ok(before.equals(readFileSync(join(folder, 'model.safetensors'))))
    }
  })
})
