// A landscape as a run: its points against compress and inspect, its record, resume, failures, refusals.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect, landscape } from 'tongueforge'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { sentence, writeTinyEncoder } from '../helpers/tiny_encoder.mjs'

describe('landscape', () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
  const measure = { tokens: 8, new_tokens: 3, warmup: 0, repeats: 2, threads: 1 }
  const trained = { name: 'trained', rates: [2, 4], stages: [{ method: 'recover', steps: '$rate' }] }
  const longer = { name: 'longer', stages: [{ method: 'recover', steps: 5 }] }
  // Training falls apart at such a rate.
  const broken = { name: 'broken', stages: [{ method: 'recover', optimizer: { lr: 1e30 } }] }
  let given
  let made = 0
  const configOf = (changes = {}) => ({
    ...{ ...given, measure, techniques: [trained, longer], out: place(`run-${made++}`) },
    ...changes,
  })
  const drawn = async (changes, options) => {
    const config = configOf(changes)
    return { config, out: config.out, report: await landscape(config, options).result }
  }
  /** What does not depend on the clock. */
  const lasting = ({ speed: _, seconds: __, ...point }) => point
  const names = (points) => points.map(({ point }) => point)
  before(async () => {
    given = await tinyCompression(place('inputs'))
    given.evaluate.batch_size = 4
  })

  test('every point is what compress makes and inspect counts; the folder holds table, page and record', async () => {
    const config = configOf({ keep_models: true })
    const run = landscape(config)
    const seen = []
    for await (const record of run) seen.push(record)
    const report = await run.result
    const { out } = config
    assert.deepEqual(names(report.points), ['original', 'trained-2', 'trained-4', 'longer'])
    assert.deepEqual(report.points, seen)
    assert.deepEqual(json(out, 'report.json'), report)
    for (const { point, rate, loss, perplexity, parameters, bytes, macs, speed } of report.points) {
      const stages = [{ method: 'recover', steps: rate ?? 5 }]
      const { evaluate, recovery, model, data_cache, threads, seed } = given
      const alone = await compress({
        ...{ model, recovery, data_cache, threads, seed, stages, out: place(`alone-${made++}`) },
        evaluate: { data: evaluate.data, sequence_length: 64, batch_size: 4 },
      }).result
      const told = alone.report.stages.at(point === 'original' ? 0 : -1)
      assert.deepEqual({ loss, perplexity }, { loss: told.loss, perplexity: told.perplexity }, point)
      const folder = point === 'original' ? model : join(out, 'points', point, 'model')
      const counted = await inspect(folder, { macs: true, tokens: 8 })
      assert.deepEqual({ parameters, bytes }, { parameters: counted.parameters, bytes: counted.bytes })
      const { core, superb, effective } = counted.macs
      assert.deepEqual(macs, { tokens: 8, core, superb, effective })
      const { prefill_seconds, decode_seconds } = speed
      assert.ok(prefill_seconds.min > 0 && prefill_seconds.median >= prefill_seconds.min, point)
      assert.equal(speed.request_relative === 1, point === 'original')
      assert.ok(speed.request_relative > 0 && speed.prefill_relative > 0)
      assert.ok(decode_seconds.min >= 0 && decode_seconds.median >= 0, point)
    }
    assert.deepEqual(readdirSync(out).sort(), [
      ...['landscape.csv', 'landscape.html', 'metrics.jsonl', 'points', 'report.json', 'resolved.yaml'],
    ])
    assert.equal(readFileSync(join(out, 'landscape.csv'), 'utf8').split('\r\n').length, 4 + 2)
    assert.match(readFileSync(join(out, 'landscape.html'), 'utf8'), /trained 4: perplexity/)
  })

  test('models go once they are measured, their reports stay', async () => {
    const { out, report } = await drawn({ techniques: [longer] })
    assert.equal(report.points.length, 2)
    const left = readdirSync(join(out, 'points/longer'))
    for (const gone of ['model', 'stages']) assert.ok(!left.includes(gone), gone)
    for (const kept of ['report.json', 'resolved.yaml']) assert.ok(left.includes(kept), kept)
  })

  test('resumed, a point is made again only where something that decides it has changed', async () => {
    const { config, report } = await drawn()
    const again = async (changes) => {
      const run = landscape({ ...config, ...changes }, { resume: true })
      const fresh = []
      for await (const record of run) fresh.push(record.point)
      return { fresh, ...(await run.result) }
    }
    const same = await again({})
    assert.deepEqual([same.fresh, same.points], [[], report.points])
    const more = await again({ techniques: [{ ...trained, rates: [4, 3] }, longer], threads: 1 })
    assert.deepEqual(more.fresh, ['trained-3'])
    assert.deepEqual(names(more.points), ['original', 'trained-4', 'trained-3', 'longer'])
    assert.deepEqual(more.points[1], report.points[2])
    const otherwise = await again({ techniques: [{ ...longer, stages: [{ method: 'recover', steps: 3 }] }] })
    assert.deepEqual(otherwise.fresh, ['longer'])
    const nine = { techniques: [longer], measure: { ...measure, tokens: 9 } }
    const measured = await again(nine)
    assert.deepEqual(measured.fresh, ['original', 'longer'])
    const seeded = await again({ ...nine, seed: 4 }) // decides which held-out documents are seen, too
    assert.deepEqual(seeded.fresh, ['original', 'longer'])
  })

  test('a point that was stopped goes on after its last finished stage', async () => {
    const stages = [{ method: 'recover', steps: 2 }, { method: 'recover' }]
    const config = configOf({ techniques: [{ name: 'twice', stages }], keep_models: true })
    const folder = join(config.out, 'points/twice')
    const abort = new AbortController()
    const onProgress = ({ label }) => {
      if (label === 'twice: 02-recover') abort.abort(new Error('in the second'))
    }
    await assert.rejects(landscape(config, { signal: abort.signal, onProgress }).result, /in the second/)
    const before = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    await landscape(config, { resume: true }).result
    const after = readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    assert.equal(before.trim().split('\n').length, 2, 'the start and the first stage')
    assert.ok(after.startsWith(before), 'its times too: it was not done again')
  })

  test('stopped at any event, it goes on to the same points', async () => {
    let all = 0
    const { report } = await drawn({}, { onProgress: () => all++ })
    for (const share of [0.02, 0.2, 0.4, 0.6, 0.8]) {
      const config = configOf()
      const abort = new AbortController()
      const reason = new Error(`at ${share}`)
      let events = 0
      const onProgress = () => {
        if (++events === Math.ceil(share * all)) abort.abort(reason)
      }
      await assert.rejects(landscape(config, { signal: abort.signal, onProgress }).result, reason)
      const { points } = await landscape(config, { resume: true }).result
      assert.deepEqual(points.map(lasting), report.points.map(lasting), `at ${share}`)
    }
  })

  test('a point that fails is told, does not stop the others, and is tried again', async () => {
    const warnings = []
    const onWarning = (message) => warnings.push(message)
    const { config, report } = await drawn({ techniques: [broken, longer] }, { onWarning })
    assert.deepEqual(names(report.points), ['original', 'longer'])
    const [{ point, error }] = report.failed
    assert.deepEqual([point, error.code], ['broken', 'ERR_NON_FINITE'])
    assert.ok(error.message.length > 0 && error.hint.length > 0)
    assert.ok(warnings.some((message) => message.startsWith('broken failed: ')))
    assert.match(readFileSync(join(config.out, 'landscape.html'), 'utf8'), /ERR_NON_FINITE/)
    const fresh = []
    const run = landscape(config, { resume: true })
    for await (const record of run) fresh.push(record.point)
    assert.deepEqual(fresh, ['broken'])
    assert.equal((await run.result).failed.length, 1)
  })

  test('a dry run tells what every point will come out as, and writes nothing', async () => {
    const prune = { method: 'prune', sparsity: '$rate' }
    const pruned = { name: 'pruned', rates: [0.25, 0.5], stages: [prune] }
    const config = configOf({ techniques: [pruned, trained] })
    const plan = await landscape(config, { dryRun: true }).result
    assert.ok(!existsSync(config.out))
    const { points } = await landscape(config).result
    const foretold = points.map(({ point, technique, rate, parameters, bytes, macs }) => ({
      ...{ point, technique, rate, parameters, bytes, macs },
    }))
    assert.deepEqual(plan, { dry_run: true, points: foretold })
  })

  test('a stage that compress would refuse is refused before anything is made, with the name of the point', async () => {
    const techniques = [longer, { name: 'x', rates: [0, 1], stages: [{ method: 'recover', steps: '$rate' }] }]
    const config = configOf({ techniques })
    await assert.rejects(landscape(config).result, (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(
        error.message,
        /^config: x-0: stages\.0\.steps: expected a whole number from 1, received 0$/,
      )
      return true
    })
    assert.ok(!existsSync(config.out))
  })

  test('a training that is not for the model and missing texts are met before anything is made', async () => {
    const missing = place('none.txt')
    for (const [changes, expected] of [
      [
        { techniques: [{ name: 'x', stages: [{ method: 'recover', objective: 'masked' }] }] },
        {
          code: 'ERR_CONFIG',
          message: /^config: x: stages\.0\.objective: expected one for a model of type llama/,
        },
      ],
      [{ evaluate: { data: [{ path: missing }] } }, { code: 'ERR_NOT_FOUND' }],
      [{ calibration: { data: [{ path: missing }] } }, { code: 'ERR_NOT_FOUND' }],
      [
        { measure: { ...measure, tokens: 255 } },
        {
          code: 'ERR_CONFIG',
          message:
            /^config: measure\.tokens: expected at most 254 of 256 positions, as 3 new ones come after them, received 255$/,
          hint: /measure\.new_tokens/,
        },
      ],
    ]) {
      const config = { ...configOf(), ...changes }
      await assert.rejects(landscape(config, { dryRun: true }).result, expected)
      assert.ok(!existsSync(config.out))
    }
  })

  test('text encoders too: their request is a prompt', async () => {
    const [model, texts] = [place('encoder'), place('texts.txt')]
    await writeTinyEncoder(model)
    writeFileSync(texts, Array.from({ length: 30 }, (_, i) => sentence(i)).join('\n\n'))
    const read = { data: [{ path: texts }], sequence_length: 24 }
    const { report } = await drawn({
      ...{ model, evaluate: read, calibration: { ...read, samples: 8 }, recovery: undefined },
      techniques: [{ name: 'rows', rates: [0.5], stages: [{ method: 'rows', remove: '$rate' }] }],
    })
    assert.deepEqual([names(report.points), report.failed], [['original', 'rows-0.5'], []])
    const [whole, cut] = report.points
    for (const { loss, speed } of report.points) {
      assert.ok(Number.isFinite(loss))
      assert.deepEqual([speed.decode_seconds, speed.request_seconds], [null, speed.prefill_seconds])
    }
    assert.ok(cut.macs.core < whole.macs.core && cut.bytes < whole.bytes)
  })

  test('a run folder is kept from other verbs, and from those who say nothing', async () => {
    const { config } = await drawn({ techniques: [longer] })
    await assert.rejects(landscape(config).result, { code: 'ERR_EXISTS', hint: /--resume/ })
    const { model, recovery, data_cache } = given
    const other = { model, recovery, data_cache, stages: [{ method: 'recover' }], out: config.out }
    await assert.rejects(compress(other, { resume: true }).result, {
      code: 'ERR_EXISTS',
      message: /landscape/,
    })
    const inside = configOf({ out: config.out, model: join(config.out, 'points/longer') })
    await assert.rejects(landscape(inside, { overwrite: true }).result, { code: 'ERR_USAGE' })
    const teacher = {
      ...longer,
      stages: [{ method: 'distil', teacher: join(config.out, 'points/x'), steps: 5 }],
    }
    const learning = { ...config, techniques: [trained, teacher] }
    await assert.rejects(landscape(learning, { overwrite: true }).result, { code: 'ERR_USAGE' })
    assert.equal((await landscape(config, { overwrite: true }).result).measured, 2)
  })
})
