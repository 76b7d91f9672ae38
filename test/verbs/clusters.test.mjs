import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { clusters, loadModel } from 'tongueforge'
import { FrontEnd } from '#lib/audio/front_end'
import { readAudio } from '#lib/audio/read'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { glide, wav } from '../helpers/sounds.mjs'
import { hubertConfig, writeTinySpeech } from '../helpers/tiny_speech.mjs'

const root = temporaryFolder()
const bytesOf = (folder) =>
  Object.fromEntries(
    ['centroids.safetensors', 'labels.safetensors', 'clusters.json', 'preprocessor_config.json'].map(
      (name) => [name, readFileSync(join(folder, name), 'base64')],
    ),
  )

const distance = (centres, k, frame) =>
  frame.reduce((sum, value, i) => sum + (value - centres[k * frame.length + i]) ** 2, 0)

/** Number of the centre that lies nearest, each compared. */
function nearest(centres, frame) {
  const all = Array.from({ length: centres.length / frame.length }, (_, k) => distance(centres, k, frame))
  return all.indexOf(Math.min(...all))
}

/** Words of three sounds, each of a pitch of its own. */
function speech(count = 12) {
  const files = {}
  for (let i = 0; i < count; i++) {
    const parts = [0, 1, 2].map((k) => 300 * 2 ** ((i + k) % 3)) // 300, 600, 1200 Hz in turn
    const sound = parts.flatMap((pitch) => [
      ...glide({ seconds: 0.2 + i / 200, from: pitch, to: pitch * 1.02 }),
    ])
    files[`s${i % 3}/${i}.wav`] = wav(Float32Array.from(sound))
  }
  return temporaryFolder(files)
}

const small = (data, out, more = {}) => ({
  data: [{ path: data }],
  out: join(root, out),
  k_means: { clusters: 8, batches: 40, batch_size: 200, ...more.k_means },
  ...more.rest,
})

describe('clusters of sound', () => {
  const data = speech()
  let report
  const folder = join(root, 'plain')

  before(async () => {
    report = await clusters(small(data, 'plain'))
  })

  test('every frame has the label of the centre that is nearest to it', async () => {
    const { centroids } = readArrays(join(folder, 'centroids.safetensors'))
    assert.deepEqual(centroids.shape, [8, 40])
    const labels = readArrays(join(folder, 'labels.safetensors'))
    assert.equal(Object.keys(labels).length, 12)
    const frontEnd = await FrontEnd.open(folder)
    let distances = 0
    for (const [name, { data: found }] of Object.entries(labels)) {
      const { data: frames, places } = await frontEnd.sound(await readAudio(join(data, name)))
      assert.equal(found.length, places)
      for (let t = 0; t < places; t++) {
        const frame = frames.subarray(t * 40, (t + 1) * 40)
        assert.equal(found[t], nearest(centroids.data, frame))
        distances += distance(centroids.data, found[t], frame)
      }
    }
    assert.ok(Math.abs(report.inertia - distances / report.frames) < 1e-9 * report.inertia)
  })

  test('the report has what became of the labels', () => {
    const counts = Array(8).fill(0)
    for (const { data: found } of Object.values(readArrays(join(folder, 'labels.safetensors'))))
      for (const label of found) counts[label]++
    const total = counts.reduce((sum, count) => sum + count, 0)
    const entropy = -counts.reduce((sum, n) => sum + (n === 0 ? 0 : (n / total) * Math.log(n / total)), 0)
    assert.equal(report.labels, total)
    assert.equal(report.frames, total)
    assert.ok(Math.abs(report.entropy - entropy) < 1e-12)
    assert.deepEqual([report.most, report.least], [Math.max(...counts), Math.min(...counts)])
    assert.equal(report.used, counts.filter((n) => n > 0).length)
    assert.equal(report.inertia, report.inertia_learnt)
    assert.ok(report.inertia < 20, `${report.inertia}, of 40 without clusters`)
    const { seconds_taken, ...stored } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))
    assert.deepEqual({ ...stored, seconds_taken: 0 }, { ...report, seconds_taken: 0 })
    assert.ok(seconds_taken > 0)
    const described = JSON.parse(readFileSync(join(folder, 'clusters.json'), 'utf8'))
    assert.deepEqual(described, { clusters: 8, width: 40, features: 'log_mel', label_stride: 1, seed: 1 })
  })

  test('a folder is not replaced that holds sound which is read', async () => {
    const own = small(data, 'holding')
    await clusters(own)
    const sound = join(own.out, 'sound')
    cpSync(data, sound, { recursive: true })
    for (const reads of [{ data: [{ path: sound }] }, { label_only: [{ path: join(sound, 's0/*.wav') }] }])
      await assert.rejects(clusters({ ...own, ...reads }, { overwrite: true }), {
        code: 'ERR_USAGE',
        message: /expected the output apart from the inputs/i,
      })
    assert.ok(existsSync(join(sound, 's0/0.wav')))
  })

  test('the same seed gives the same bytes, with any number of threads; another seed gives others', async () => {
    await clusters(small(data, 'again', { rest: { threads: 2 } }))
    assert.deepEqual(bytesOf(join(root, 'again')), bytesOf(folder))
    await clusters(small(data, 'other', { rest: { seed: 2 } }))
    assert.notDeepEqual(bytesOf(join(root, 'other')), bytesOf(folder))
  })

  test('the rows of a manifest may come in any order', async () => {
    const names = Object.keys(readArrays(join(folder, 'labels.safetensors')))
    for (const [manifest, order] of [
      ['up.csv', names.toSorted()],
      ['down.csv', names.toSorted().reverse()],
    ])
      writeFileSync(join(data, manifest), `path\n${order.join('\n')}\n`)
    for (const name of ['up', 'down']) await clusters(small(join(data, `${name}.csv`), name))
    assert.deepEqual(bytesOf(join(root, 'down')), bytesOf(join(root, 'up')))
    assert.deepEqual(bytesOf(join(root, 'up')), bytesOf(folder))
  })

  test('a model of 20 ms gets every second label, of the same centres', async () => {
    await clusters(small(data, 'stacked', { rest: { front_end: { stacked_frames: 2 } } }))
    const [single, stacked] = [folder, join(root, 'stacked')].map((path) =>
      readArrays(join(path, 'labels.safetensors')),
    )
    for (const [name, { data: found }] of Object.entries(stacked))
      assert.deepEqual(
        Array.from(found),
        Array.from(single[name].data).filter((_, t) => t % 2 === 0),
      )
    const frontEnd = await FrontEnd.open(join(root, 'stacked'))
    const [name] = Object.keys(stacked)
    const { places, width } = await frontEnd.sound(await readAudio(join(data, name)))
    assert.deepEqual([places, width], [stacked[name].data.length, 80])
  })

  test('sound that gets labels alone changes no centre', async () => {
    const more = speech(3)
    const apart = temporaryFolder({ 'x.wav': readFileSync(join(more, 's0/0.wav')) })
    const found = await clusters(small(data, 'more', { rest: { label_only: [{ path: apart }] } }))
    assert.equal(found.entropy, report.entropy)
    const labels = readArrays(join(root, 'more/labels.safetensors'))
    assert.deepEqual(labels['x.wav'].data, labels['s0/0.wav'].data)
    assert.equal(
      bytesOf(join(root, 'more'))['centroids.safetensors'],
      bytesOf(folder)['centroids.safetensors'],
    )
  })

  test('of more frames than max_frames some utterances are drawn, and all are labelled', async () => {
    const found = await clusters(small(data, 'drawn', { k_means: { max_frames: 200 } }))
    assert.ok(found.learnt_from >= 200 && found.learnt_from < 300, `${found.learnt_from}`)
    assert.equal(found.labels, report.labels)
    assert.ok(found.inertia > report.inertia * 0.9)
  })

  test('a dry run tells sizes and leaves nothing', async () => {
    const plan = await clusters(small(data, 'dry'), { dryRun: true })
    for (const key of ['utterances', 'seconds', 'frames', 'learnt_from', 'labels', 'width', 'clusters'])
      assert.equal(plan[key], report[key], key)
    assert.equal(plan.memory_bytes, report.frames * 160)
    assert.ok(!existsSync(join(root, 'dry')))
  })

  for (const label of ['statistics', 'features', 'k-means', 'labels'])
    test(`a run that is stopped in ${label} leaves nothing at its place, and resumed gives the same bytes`, async () => {
      const name = `stopped-${label}`
      const k_means = { batches: label === 'k-means' ? 3000 : 40 } // long enough to be stopped in
      const config = small(data, name, { k_means })
      const stop = new AbortController()
      const kept = []
      const options = { resume: true, onKept: () => kept.push(label), signal: stop.signal }
      const onProgress = (progress) => {
        if (progress.label === label && progress.done >= 2) stop.abort(new Error('enough'))
      }
      await assert.rejects(clusters(config, { ...options, onProgress }), /enough/)
      assert.ok(!existsSync(config.out))
      assert.equal(kept.length, label === 'labels' ? 1 : 0)
      const seen = new Set()
      const found = await clusters(config, {
        resume: true,
        onProgress: (progress) => void seen.add(progress.label),
      })
      assert.equal(found.resumed, label === 'labels')
      assert.equal(seen.has('k-means'), label !== 'labels')
      const whole = small(data, `${name}-whole`, { k_means })
      await clusters(whole)
      assert.deepEqual(bytesOf(config.out), bytesOf(whole.out))
      assert.deepEqual(
        readdirSync(root).filter((entry) => entry.startsWith('.tmp')),
        [],
      )
    })

  test('centres of another config are not gone on with', async () => {
    const stop = new AbortController()
    const onProgress = ({ label }) => label === 'labels' && stop.abort(new Error('enough'))
    const running = clusters(small(data, 'changed', { rest: { seed: 7 } }), {
      resume: true,
      signal: stop.signal,
      onProgress,
    })
    await assert.rejects(running, /enough/)
    const found = await clusters(small(data, 'changed'), { resume: true })
    assert.equal(found.resumed, false)
    assert.deepEqual(bytesOf(join(root, 'changed')), bytesOf(folder))
  })

  test('hidden states of a layer are clustered as the model gives them', async () => {
    const model = await writeTinySpeech(join(root, 'hubert'), hubertConfig())
    writeFileSync(
      join(model, 'preprocessor_config.json'),
      JSON.stringify({
        feature_extractor_type: 'Wav2Vec2FeatureExtractor',
        sampling_rate: 16000,
        do_normalize: true,
      }),
    )
    const few = speech(3)
    const found = await clusters(small(few, 'layer', { rest: { model, layer: 1 } }))
    assert.equal(found.width, 16)
    const encoder = await loadModel(model)
    const [frontEnd, name] = [await FrontEnd.open(model), 's1/1.wav']
    const sound = await frontEnd.sound(await readAudio(join(few, name)))
    const [{ states, places }] = await encoder.hiddenStates([sound.data], { layers: [1] })
    assert.equal(places, sound.places)
    const { centroids } = readArrays(join(root, 'layer/centroids.safetensors'))
    const labels = readArrays(join(root, 'layer/labels.safetensors'))[name].data
    assert.equal(labels.length, places)
    for (let t = 0; t < places; t++)
      assert.equal(labels[t], nearest(centroids.data, states[0].subarray(t * 16, (t + 1) * 16)))
    assert.deepEqual(JSON.parse(readFileSync(join(root, 'layer/clusters.json'), 'utf8')), {
      ...{ clusters: 8, width: 16, features: 'layer', model, layer: 1, label_stride: 1, seed: 1 },
    })
    assert.ok(!existsSync(join(root, 'layer/preprocessor_config.json')))
    await encoder.dispose()
    const beyond = clusters(small(few, 'y', { rest: { model, layer: 9 } }))
    await assert.rejects(beyond, {
      code: 'ERR_CONFIG',
      message: /layer: expected 0 to 2, or last, received 9/,
      hint: /has 2 layers/,
    })
  })

  const few = speech(3)
  async function stopped(config) {
    const stop = new AbortController()
    const onProgress = ({ label }) => label === 'labels' && stop.abort(new Error('enough'))
    await assert.rejects(clusters(config, { resume: true, signal: stop.signal, onProgress }), /enough/)
  }
  const contents = ({ out }) =>
    ['centroids.safetensors', 'labels.safetensors'].map((name) => readFileSync(join(out, name), 'base64'))

  test('centres of another model at the same place are not gone on with', async () => {
    const model = join(root, 'heard')
    const write = async (seed) => {
      rmSync(model, { recursive: true, force: true })
      await writeTinySpeech(model, hubertConfig(), seed)
      writeFileSync(
        join(model, 'preprocessor_config.json'),
        JSON.stringify({ feature_extractor_type: 'Wav2Vec2FeatureExtractor', sampling_rate: 16000 }),
      )
    }
    const config = (out) => small(few, out, { rest: { model, layer: 1 } })
    await write(1)
    await stopped(config('swapped'))
    await write(2)
    const found = await clusters(config('swapped'), { resume: true })
    assert.equal(found.resumed, false)
    await clusters(config('of_second'))
    assert.deepEqual(contents(config('swapped')), contents(config('of_second')))
  })

  test('of a run folder its result is heard, and where the model lies decides nothing', async () => {
    const [model, runFolder] = [join(root, 'heard'), join(root, 'heard_run')]
    cpSync(model, join(runFolder, 'model'), { recursive: true })
    const config = (out, heard) => small(few, out, { rest: { model: heard, layer: 1 } })
    await stopped(config('elsewhere', model))
    const { resumed } = await clusters(config('elsewhere', runFolder), { resume: true })
    assert.equal(resumed, true)
    assert.deepEqual(contents({ out: join(root, 'elsewhere') }), contents({ out: join(root, 'of_second') }))
    const { inputs } = JSON.parse(readFileSync(join(root, 'elsewhere/provenance.json'), 'utf8'))
    assert.deepEqual([inputs[0].role, inputs[0].path], ['model', join(runFolder, 'model')])
    assert.ok(
      inputs[0].files.some(({ name, sha256 }) => name === 'model.safetensors' && sha256.length === 64),
    )
  })

  test('what cannot be is refused before anything is made', async () => {
    const refused = (config, code, message, hint) =>
      assert.rejects(clusters(config), (error) => {
        assert.equal(error.code, code)
        assert.match(error.message, message)
        if (hint) assert.match(error.hint, hint)
        return true
      })
    await refused(small(data, 'plain'), 'ERR_EXISTS', /plain/)
    const many = small(data, 'x', { k_means: { clusters: 5000 } })
    await refused(
      many,
      'ERR_CONFIG',
      /k_means\.clusters: expected at most as many clusters .* received 5000/,
      /Fewer/,
    )
    const twice = small(data, 'x', { rest: { label_only: [{ path: data }] } })
    await refused(
      twice,
      'ERR_DATA',
      /a name of its own for every utterance, received s\d\/\d+\.wav twice/,
      /as one source/,
    )
    await refused(
      { ...small(data, 'x'), layer: 2 },
      'ERR_CONFIG',
      /layer: expected model and layer together, or neither/,
    )
    await refused(
      { ...small(data, 'x'), k_means: { cluster: 3 } },
      'ERR_CONFIG',
      /k_means\.cluster: unknown key/,
      /clusters/,
    )
    const short = temporaryFolder({ 'a.wav': wav(glide()), 'click.wav': wav(glide({ seconds: 0.02 })) })
    await refused(small(short, 'x'), 'ERR_AUDIO', /click\.wav: expected at least 0\.025 s, received 0\.02 s/)
    assert.ok(!existsSync(join(root, 'x')))
  })
})

dataTest(
  '64 clusters of the spoken digits: all are used, and their entropy is that of the plain recipe',
  'speech/fsdd',
  async (t, folder) => {
    const found = await clusters({
      data: [{ path: join(folder, '*_{?,1[0-7]}.wav') }],
      label_only: [{ path: join(folder, '*_{18,19,2?}.wav') }],
      out: join(root, 'digits'),
      front_end: { sampling_rate: 8000, stacked_frames: 2 },
      k_means: { clusters: 64, batches: 300, batch_size: 2048 },
    })
    t.diagnostic(
      `entropy ${found.entropy.toFixed(3)}, ${found.least} to ${found.most}, inertia ${found.inertia.toFixed(3)}`,
    )
    assert.equal(found.utterances, 720)
    assert.equal(found.label_only, 280)
    assert.equal(found.used, 64)
    assert.ok(Math.abs(found.entropy - 4.07) <= 0.05, `${found.entropy}`)
  },
)
