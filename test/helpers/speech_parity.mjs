// The checks of one speech encoder's folder against its expected.safetensors (layout: test/parity/speech_cases.py). The
// golden tests run them over stored folders, the parity tests over folders that were made a moment ago.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { loadModel } from 'tongueforge'
import { assertClose } from './decoder_parity.mjs'
import { readArrays } from './safetensors.mjs'

// Two float32 programs that add in different orders come out about 2e-6 apart on these models.
const TOLERANCE = 1e-5

/** Registers the checks as subtests of `t`. */
export async function checkSpeech(t, folder) {
  const expected = readArrays(join(folder, 'expected.safetensors'))
  const sounds = listed(expected, 'sound').map(({ data }) => data)
  const model = await loadModel(folder, { threads: 1 })
  const compare = async (kind, options, select = (states) => states) => {
    const found = await model.hiddenStates(sounds, options)
    for (const [i, { shape, data }] of listed(expected, kind).entries()) {
      const { places, states } = found[i]
      assert.deepEqual([places, model.spec.hidden_size], shape.slice(-2), `shape of ${kind}.${i}`)
      const ours = select(states).flatMap((state) => [...state])
      assertClose(ours, data, TOLERANCE, `${kind}.${i}`)
    }
  }
  try {
    await t.test('hidden states of all layers agree to 1e-5 of the largest, alone and batched', async () => {
      await compare('states', {})
      for (const [i, sound] of sounds.entries()) {
        const [{ states }] = await model.hiddenStates([sound])
        assertClose(
          states.flatMap((state) => [...state]),
          expected[`states.${i}`].data,
          TOLERANCE,
        )
      }
    })
    await t.test('what the whole model gives agrees', () => compare('last', { layers: ['last'] }))
    if (expected['hidden.0'])
      await t.test('states where places are hidden agree', () =>
        compare('masked', { hidden: listed(expected, 'hidden').map(({ data }) => data) }),
      )
    if (expected['raw.0'])
      await t.test('samples go through the front end of the folder as through theirs', async () => {
        const { data: samples } = expected['raw.0']
        const [{ states }] = await model.hiddenStates([{ samples, rate: 16000 }], { layers: ['last'] })
        assertClose([...states[0]], expected['normed.0'].data, TOLERANCE, 'normed.0')
      })
    if (expected['padded.0'])
      await t.test('a padded batch of the reference has the same states', () => compare('padded', {}))
  } finally {
    await model.dispose()
  }
}

/** The arrays `kind.0`, `kind.1` and so on. */
function listed(arrays, kind) {
  const found = []
  while (arrays[`${kind}.${found.length}`]) found.push(arrays[`${kind}.${found.length}`])
  assert.ok(found.length > 0, `there are arrays ${kind}`)
  return found
}
