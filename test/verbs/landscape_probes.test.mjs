// Probes on every point of a landscape: those of the verb `probe`, asked anew where they alone have changed, and drawn.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { landscape, probe } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { FRONT_END, toneModel, writeTinySound } from '../helpers/tiny_sound.mjs'
import { writeTinySpeech } from '../helpers/tiny_speech.mjs'

const root = temporaryFolder()
const { train, heldOut, targets } = writeTinySound(join(root, 'sound'), { count: 16 })
const model = join(root, 'model')
const out = join(root, 'landscape')
const rows = {
  ...{ name: 'rows', rates: [24] },
  stages: [{ method: 'rows', criterion: 'l1', keep: '$rate' }, { method: 'recover' }],
}
const magnitude = { name: 'magnitude', rates: [0.5], stages: [{ method: 'prune', sparsity: '$rate' }] }
const config = {
  ...{ model, out, sound: { targets, join: 'speaker' }, data_cache: join(root, 'cache'), threads: 1 },
  recovery: {
    ...{ objective: 'masked', data: [{ path: train }], sequence_length: 40, batch_size: 4 },
    ...{ steps: 3, checkpoint: { every: 0 } },
  },
  evaluate: { data: [{ path: heldOut }], sequence_length: 40, batch_size: 4 },
  measure: { seconds: 1, repeats: 2, warmup: 0 },
  techniques: [rows, magnitude],
  ...{ keep_models: true, seed: 3 },
}
const probing = {
  ...{ train: [{ path: train }], test: [{ path: heldOut }] },
  probes: [
    { name: 'speaker', kind: 'utterance', label: 'speaker', steps: 20 },
    { name: 'speaker-last', kind: 'utterance', label: 'speaker', layers: 'last', steps: 20 },
  ],
}
const text = (...path) => readFileSync(join(...path), 'utf8')

async function drawn(changes = {}) {
  const [fresh, warnings] = [[], []]
  const given = { ...config, ...changes }
  const run = landscape(given, { resume: true, onWarning: (message) => warnings.push(message) })
  for await (const { point } of run) fresh.push(point)
  return { fresh, warnings, ...(await run.result) }
}
const rest = ({ probes: _, probes_sha256: __, ...point }) => point

before(async () => {
  await writeTinySpeech(model, toneModel())
  writeFileSync(join(model, 'preprocessor_config.json'), JSON.stringify(FRONT_END))
})

test('points are made again for other masks', async () => {
  const place = { out: join(root, 'masks'), techniques: [magnitude] }
  await drawn(place)
  const { fresh } = await drawn({ ...place, sound: { ...config.sound, mask_probability: 0.9 } })
  assert.deepEqual(fresh, ['original', 'magnitude-0.5'])
})

describe('probes in a landscape', () => {
  const ALL = ['original', 'rows-24', 'magnitude-0.5']
  let first

  test('where probes alone are new, models that were kept are probed and nothing else is done again', async () => {
    first = await drawn()
    assert.deepEqual([first.fresh, first.points[0].probes], [ALL, undefined])
    const trained = text(out, 'points/rows-24/metrics.jsonl')
    const { fresh, points, warnings } = await drawn({ probe: probing })
    assert.deepEqual([fresh, warnings], [ALL, []])
    assert.deepEqual(points.map(rest), first.points, 'times too: they were not measured again')
    assert.equal(text(out, 'points/rows-24/metrics.jsonl'), trained)
    for (const { point, probes } of points) {
      const folder = point === 'original' ? model : join(out, 'points', point, 'model')
      const alone = { ...probing, model: folder, out: join(root, `probe-${point}`), threads: 1, seed: 3 }
      assert.deepEqual(probes, (await probe(alone)).probes, point)
    }
    assert.notDeepEqual(points[0].probes[0].test, points[1].probes[0].test)
  })

  test('asked again they are known; other settings are asked of every point, another rate of its own alone', async () => {
    assert.deepEqual((await drawn({ probe: probing })).fresh, [])
    const [speaker] = probing.probes
    const longer = { ...probing, probes: [{ ...speaker, steps: 40 }] }
    const again = await drawn({ probe: longer })
    assert.deepEqual(again.fresh, ALL)
    assert.deepEqual(again.points.map(rest), first.points)
    const more = await drawn({ probe: longer, techniques: [{ ...rows, rates: [24, 12] }, magnitude] })
    assert.deepEqual(more.fresh, ['rows-12'])
    assert.equal(more.points[2].probes[0].name, 'speaker')
    assert.deepEqual(more.points[1].probes, again.points[1].probes)
  })

  test('a model that was not kept is made again for them, the same one, and that is said', async () => {
    const place = join(root, 'forgotten')
    const given = { out: place, keep_models: false, techniques: [rows] }
    const before = await drawn(given)
    assert.ok(!existsSync(join(place, 'points/rows-24/model')))
    const { points, warnings } = await drawn({ ...given, probe: probing })
    assert.deepEqual(warnings, [
      'rows-24: its model is made again to be probed, as it was not kept (keep_models)',
    ])
    assert.ok(!existsSync(join(place, 'points/rows-24/model')))
    assert.deepEqual(points.map(rest), before.points)
    const kept = await drawn({ probe: probing })
    assert.deepEqual(points[1].probes, kept.points[1].probes)
  })

  test('page, table and report hold their errors against all costs', async () => {
    const { points, probe_fronts, fronts } = await drawn({ probe: probing })
    assert.deepEqual(Object.keys(probe_fronts), ['speaker', 'speaker-last'])
    assert.deepEqual(Object.keys(probe_fronts.speaker), Object.keys(fronts))
    const html = text(out, 'landscape.html')
    assert.equal(html.match(/<svg /g).length, 3 * 4)
    for (const name of ['speaker', 'speaker-last'])
      assert.ok(html.includes(`aria-label="error of ${name} against real-time factor"`), name)
    const error = 1 - points[1].probes[0].test.accuracy
    assert.ok(html.includes(`<td>${(100 * error).toFixed(1)} %</td>`))
    assert.match(
      html,
      /speaker-last, the share of wrong utterances of 4 utterances \(layers: last; 16 learned from\)/,
    )
    const [head, , second] = text(out, 'landscape.csv').split('\r\n')
    assert.equal(Number(second.split(',')[head.split(',').indexOf('probe.speaker.error')]), error)
  })

  test('a layer that a point will not have, and a model of text, are refused before anything is made', async () => {
    const place = join(root, 'none')
    const deep = { ...probing, probes: [{ ...probing.probes[0], layers: 2 }] }
    const fewer = { name: 'layers', stages: [{ method: 'layers', layers: [1] }] }
    await assert.rejects(drawn({ out: place, probe: deep, techniques: [fewer] }), {
      code: 'ERR_CONFIG',
      message: /^config: layers: .*expected .*0 to 1/,
    })
    const words = await tinyCompression(join(root, 'words'))
    const { calibration: _, ...given } = words
    await assert.rejects(
      landscape({ ...given, out: place, techniques: [magnitude], probe: probing }).result,
      {
        code: 'ERR_CONFIG',
        message: /^config: probe: expected with a speech encoder alone, received it with llama/,
        hint: 'Leave probe out: quality of a model of text is its loss.',
      },
    )
    assert.ok(!existsSync(place))
  })
})
