// Probes against plain torch on the hidden states of transformers: the loss of every step, the head that comes, the loss and
// the predictions of the test. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { KINDS } from '#lib/verbs/probing/kinds'
import { assertClose } from '../helpers/decoder_parity.mjs'
import { probeReference } from '../helpers/reference.mjs'
import { readArrays } from '../helpers/safetensors.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
const TOLERANCE = 1e-4

const GIVEN = { utterances: 26, test: 10, classes: 4, steps: 60 }
const CASES = [
  { kind: 'utterance', layers: 'weighted', standardize: 'layer', lr: 1e-2, weight_decay: 0 },
  { kind: 'utterance', layers: 'weighted', standardize: 'value', lr: 1e-2, weight_decay: 0.3 },
  { kind: 'utterance', layers: 'last', standardize: 'none', lr: 1e-3, weight_decay: 0 },
  { kind: 'frames', layers: 'weighted', standardize: 'value', lr: 1e-2, weight_decay: 0 },
  { kind: 'sequence', layers: 'weighted', standardize: 'layer', lr: 1e-2, weight_decay: 0 },
  { kind: 'sequence', layers: 'last', standardize: 'value', lr: 3e-2, weight_decay: 0.1 },
]

test(`probes (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await probeReference([seed, folder], { ...GIVEN, cases: CASES })
  const path = join(folder, 'model')
  const spec = modelSpec(JSON.parse(await readFile(join(path, 'config.json'), 'utf8')))
  const model = await runJob('loadModel', { folder: path, spec, dtype: 'float32', threads: 1 })
  t.after(() => native().dispose(model))
  const sounds = readArrays(join(folder, 'sounds.safetensors'))
  for (const [number, settings] of CASES.entries()) {
    const { kind, layers, standardize } = settings
    await t.test(`${kind}, ${layers}, standardize ${standardize}`, async () => {
      const expected = readArrays(join(folder, `${number}.safetensors`))
      const states = await statesOf(model, spec, sounds, settings)
      const path = join(folder, `head-${number}.safetensors`)
      const found = await fitted(states, expected, { ...settings, path })
      native().dispose(states)
      compare(found, readArrays(path), expected)
    })
  }
})

const numbers = Array.from({ length: GIVEN.utterances }, (_, i) => i)
const LAYERS = { weighted: [0, 1, 2, 3], last: [3] }

async function statesOf(model, spec, sounds, { kind, layers }) {
  const { pooled } = KINDS[kind]
  const places = ({ data }) =>
    spec.convolutions.reduce(
      (length, { kernel, stride }) => Math.floor((length - kernel) / stride) + 1,
      data.length,
    )
  const given = numbers.map((i) => sounds[`sound.${i}`])
  const size = { layers: LAYERS[layers].length, width: spec.hidden_size }
  const rows = Int32Array.from(given, (sound) => (pooled ? 1 : places(sound)))
  const states = await runJob('makeProbeStates', { ...size, rows, pooled })
  await runJob('addProbeStates', {
    ...{ model, layers: LAYERS[layers], frame_width: 0, utterances: Int32Array.from(numbers), threads: 1 },
    ...{ sounds: given.map(({ data }) => data), [pooled ? 'pooled' : 'places']: states },
  })
  return states
}

function fitted(states, expected, { kind, layers, standardize, lr, weight_decay, path }) {
  const examples = (part) => ({
    utterances: Int32Array.from(part),
    targets: part.map((i) => expected[`target.${i}`].data),
  })
  const cut = GIVEN.utterances - GIVEN.test
  return runJob('fitProbe', {
    ...{ states, layers: LAYERS[layers].map((_, i) => i), objective: KINDS[kind].objective, standardize },
    ...{ classes: GIVEN.classes, steps: GIVEN.steps, batch_size: 0, lr, weight_decay, seed: 1, threads: 1 },
    ...{ train: examples(numbers.slice(0, cut)), test: examples(numbers.slice(cut)), path },
  })
}

function compare({ course, loss, predictions }, head, expected) {
  assertClose(course, expected.course.data, TOLERANCE, 'loss of each step')
  for (const name of ['weight', 'bias', 'layer_weights'])
    assertClose(head[name].data, expected[name].data, TOLERANCE, name)
  assertClose([loss], expected.loss.data, TOLERANCE, 'loss of the test')
  for (const [i, prediction] of predictions.entries())
    assert.deepEqual([...new Int32Array(prediction)], [...expected[`prediction.${i}`].data])
}
