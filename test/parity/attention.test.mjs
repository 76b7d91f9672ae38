// How heads look, against the attentions that transformers gives out: random models of every row of speech_cases.py and
// encoder_cases.py, new ones each time. TONGUEFORGE_PARITY_SEED repeats a run.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { modelSpec } from '#lib/checkpoint/model_spec'
import { native, runJob } from '#lib/native'
import { Random } from '#lib/text/random'
import { attentionReference, reference } from '../helpers/reference.mjs'
import { noise } from '../helpers/tiny_speech.mjs'

const seed = Number(process.env.TONGUEFORGE_PARITY_SEED ?? Math.floor(Math.random() * 1e6))
// Two float32 softmaxes; entropies are up to 4.
const TOLERANCE = 1e-5

test(`heads look as those of transformers do (TONGUEFORGE_PARITY_SEED=${seed})`, async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'tongueforge-parity-'))
  t.after(() => rm(out, { recursive: true, force: true }))
  const [speech, text] = [join(out, 'speech'), join(out, 'text')]
  const heard = (await reference(['random_speech', 'all', seed, speech])).folders
  const read = (await reference(['random_encoder', 'all', seed, text])).folders
  const cases = [
    ...heard
      .filter((folder) => !/melhubert|bfloat16/.test(basename(folder)))
      .map((folder) => ({
        folder,
        sounds: [470, 1000, 2531].map((samples, i) => [...noise(samples, seed + i)]),
      })),
    ...read
      .filter((folder) => !/bfloat16/.test(basename(folder)))
      .map((folder) => ({ folder, ids: [3, 9, 20].map((length, i) => ids(length, seed + i)) })),
  ]
  const expected = await attentionReference(cases)
  for (const [i, given] of cases.entries())
    await t.test(basename(given.folder), async () => {
      const found = await shapesOf(given)
      assert.equal(found.length, expected[i].length)
      for (const [document, layers] of expected[i].entries()) {
        const theirs = layers.flat(2)
        const ours = found[document].flat()
        assert.equal(ours.length, theirs.length)
        for (const [j, value] of theirs.entries())
          assert.ok(Math.abs(ours[j] - value) < TOLERANCE, `${document}, ${j}: ${ours[j]}, expected ${value}`)
      }
    })
})

const ids = (length, from) => {
  const random = new Random(from)
  return Array.from({ length }, () => 10 + random.below(30))
}

async function shapesOf({ folder, sounds, ids: rows }) {
  const { path, config } = await openModelFolder(folder)
  const load = { folder: path, spec: modelSpec(config), dtype: 'float32', threads: 1 }
  const model = await runJob('loadModel', load)
  const documents = sounds
    ? sounds.map((sound) => ({ sound: Float32Array.from(sound), frame_width: 0 }))
    : rows.map((row) => ({ ids: Int32Array.from(row) }))
  try {
    const found = []
    for (const document of documents)
      found.push(await runJob('attentionShapes', { model, threads: 1, ...document }))
    return found
  } finally {
    native().dispose(model)
  }
}
