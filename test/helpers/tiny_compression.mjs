// A pipeline of compression of a few seconds: a random model, texts of the demo's world.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compress } from 'tongueforge'
import { WORDS_A } from '#lib/world/words'
import { temporaryFolder } from './folders.mjs'
import { writeTinyModel } from './tiny_model.mjs'

const sentence = (i) =>
  Array.from({ length: 12 }, (_, j) => WORDS_A[(i * i + 3 * j) % WORDS_A.length]).join(' ')

/** Writes model and texts into `folder`; returns a config for `compress` without `out` and `stages`. */
export async function tinyCompression(folder, size = {}) {
  mkdirSync(folder, { recursive: true })
  const model = await writeTinyModel(join(folder, 'model'), size)
  const [train, heldOut] = ['train.txt', 'held_out.txt'].map((name) => join(folder, name))
  writeFileSync(train, Array.from({ length: 200 }, (_, i) => sentence(i)).join('\n\n'))
  writeFileSync(heldOut, Array.from({ length: 20 }, (_, i) => sentence(1000 + i)).join('\n\n'))
  return {
    model,
    calibration: { data: [{ path: train }], samples: 8, sequence_length: 64 },
    recovery: {
      data: [{ path: train }],
      sequence_length: 64,
      batch_size: 4,
      steps: 6,
      schedule: { warmup: 2 },
      checkpoint: { every: 2 },
    },
    evaluate: { data: [{ path: heldOut }], sequence_length: 64 },
    data_cache: join(folder, 'data-cache'),
    threads: 1,
    seed: 3,
  }
}

/** Pipelines in a folder of their own, of two trainings unless a change says other stages. */
export async function tinyPipelines() {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const given = await tinyCompression(place('inputs'))
  const recovers = [{ method: 'recover' }, { method: 'recover', steps: 3, optimizer: { lr: 1e-4 } }]
  let made = 0
  const configOf = (changes = {}) => ({ ...given, stages: recovers, out: place(`run-${made++}`), ...changes })
  const compressed = async (changes, options) => {
    const config = configOf(changes)
    return { out: config.out, ...(await compress(config, options).result) }
  }
  return { place, given, recovers, configOf, compressed }
}

/** The files of a folder that are the same however the run was stopped: bytes in base64, by name. */
export function lastingFiles(folder) {
  const told = new Set(['provenance.json', 'report.json']) // when, how long
  const files = readdirSync(folder).filter((name) => !told.has(name))
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name)).toString('base64')]))
}

/** Compares lasting files of the runs in two places, which card and resolved.yaml name. */
export function sameButFor(actual, expected, [place, expectedPlace]) {
  const moved = (name, bytes) => {
    if (!/\.(md|yaml)$/.test(name)) return bytes
    const text = Buffer.from(bytes, 'base64').toString('utf8')
    return text
      .replaceAll(expectedPlace, place)
      .replace(`# ${basename(expectedPlace)}\n`, `# ${basename(place)}\n`)
  }
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort())
  for (const name of Object.keys(actual))
    assert.ok(moved(name, actual[name]) === moved(name, expected[name]), `${name} is another`)
}
