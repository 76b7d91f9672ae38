// A sweep in memory against grafts to files, and its life as a run: record, resume, refusals, stop.
import assert from 'node:assert/strict'
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { extractDelta, graft, sweep } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { goldenMeasurements } from '#lib/verbs/sweep/search'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { sleep } from '../helpers/stress.mjs'
import { tinyConfig, writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinySweep } from '../helpers/tiny_sweep.mjs'

describe('sweep', () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  const lines = (folder) =>
    readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  let config
  let made = 0
  const swept = async (changes = {}, options = {}) => {
    const out = changes.out ?? place(`run-${made++}`)
    return { out, report: await sweep({ ...config, ...changes, out }, options).result }
  }
  before(async () => {
    config = await tinySweep(place('inputs'))
  })

  /** The held-out loss that training tells of a model folder before its first step. */
  const trainedLoss = async (model, objective, { path }, dtype) => {
    const { sequence_length, batch_size, data_cache, threads } = config
    const data = [{ path }]
    const settings = { objective, model, data, sequence_length, batch_size, data_cache, threads, dtype }
    const run = train({ ...settings, steps: 1, eval: { data }, out: place(`train-${made++}`) })
    return (await run.result).report.eval_loss_before
  }

  const stored = async (folder, dtype) => {
    const copy = `${folder}-${dtype}`
    cpSync(folder, copy, { recursive: true, filter: (file) => !file.endsWith('.safetensors') })
    const spec = decoderSpec(tinyConfig({ layers: 4 }))
    const handle = await runJob('loadModel', { folder, spec, dtype, threads: 1 })
    await runJob('saveModel', { model: handle, folder: copy, dtype, max_shard_bytes: 1e9 })
    native().dispose(handle)
    return copy
  }

  for (const dtype of ['float32', 'bfloat16']) {
    test(`a ${dtype} target: every point is the graft to files at that scale, loaded and measured, bit for bit`, async () => {
      const target = await stored(config.target, dtype)
      const { report } = await swept({ target, scales: [0, 0.37, 1.1] })
      const [texts, chats] = config.objectives.map(({ data }) => data[0])
      for (const { scales, values } of report.points) {
        const { base, chat } = config
        const { out } = await graft({ target, base, chat, scale: scales.all, out: place(`graft-${made++}`) })
        assert.equal(values.language, await trainedLoss(out, 'cp', texts), `scale ${scales.all}`)
        assert.equal(values.manners, await trainedLoss(out, 'sft', chats), `scale ${scales.all}`)
      }
      assert.notEqual(report.points[0].values.manners, report.points[2].values.manners)
    })
  }

  test('points come as they are measured; the folder holds the record, the report and the curve', async () => {
    const out = place('record')
    const run = sweep({ ...config, out })
    const seen = []
    for await (const point of run) {
      seen.push(point)
      assert.deepEqual(lines(out).at(seen.length - 1), point, 'written before it is told')
    }
    const report = await run.result
    assert.deepEqual(lines(out), seen)
    assert.deepEqual(
      report.points.map(({ scales }) => scales.all),
      [0, 0.5, 1],
    )
    assert.deepEqual(json(out, 'report.json'), report)
    const { x, points } = json(out, 'curve.json')
    assert.equal(x, 'scale')
    assert.equal(points.length, 6)
    assert.match(readFileSync(join(out, 'curve.svg'), 'utf8'), /<svg[\s\S]*manners/)
    assert.match(readFileSync(join(out, 'resolved.yaml'), 'utf8'), /search: grid/)
    assert.deepEqual(readdirSync(out).sort(), [
      'curve.json',
      'curve.svg',
      'metrics.jsonl',
      'report.json',
      'resolved.yaml',
    ])
    const best = report.points.toSorted((a, b) => a.score - b.score)[0]
    assert.deepEqual(report.best, best)
    assert.ok(report.pareto.includes(best.step))
  })

  test('with a limit the best point is within it, or as near as there is', async () => {
    const { report } = await swept()
    const values = report.points.map(({ values }) => values.manners).sort((a, b) => a - b)
    const limited = async (limit) => {
      const [language, manners] = config.objectives
      const { report } = await swept({ objectives: [language, { ...manners, limit }] })
      return report
    }
    const one = await limited(values[0])
    assert.equal(one.best.values.manners, values[0])
    assert.equal(one.within_limits, true)
    const none = await limited(values[0] / 2)
    assert.equal(none.best.values.manners, values[0])
    assert.equal(none.within_limits, false)
    const all = await limited(values[2])
    assert.equal(all.best.values.language, Math.min(...all.points.map((point) => point.values.language)))
  })

  test('scales by kind of module and by group of layers are grafts of those', async () => {
    const { report: kinds } = await swept({
      by: 'module_kind',
      search: 'coordinate',
      rounds: 1,
      scales: [0, 1],
    })
    assert.deepEqual(Object.keys(kinds.points[0].scales), ['attention', 'mlp', 'norm', 'embedding', 'head'])
    const { report: groups } = await swept({ by: 'layer_group', groups: 2, scales: [0, 1] })
    assert.deepEqual(
      groups.points.map(({ scales }) => Object.entries(scales)),
      [
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ].map(([a, b]) => [
        ['layers_0_1', a],
        ['layers_2_3', b],
      ]),
    )
    const { report: global } = await swept({ scales: [0, 1] })
    assert.deepEqual(kinds.points[0].values, global.points[1].values, 'all kinds at 1')
    assert.deepEqual(groups.points[0].values, global.points[0].values)
    assert.deepEqual(groups.points[3].values, global.points[1].values)
    assert.notDeepEqual(groups.points[1].values, groups.points[2].values)
  })

  test('golden sections take the points foretold, between the ends, and the least of them is the best', async () => {
    const objectives = config.objectives.slice(1)
    const scales = { from: 0, to: 1 }
    const { report } = await swept({ objectives, scales, search: 'golden_section', tolerance: 0.1 })
    assert.equal(report.points.length, goldenMeasurements(1, 0.1))
    assert.ok(report.points.every((point) => point.scales.all > 0 && point.scales.all < 1))
    assert.equal(report.best.score, Math.min(...report.points.map(({ score }) => score)))
  })

  test('a sweep that was stopped keeps its points; resumed with more scales, only those are measured', async () => {
    const out = place('stopped')
    const reason = new Error('no more')
    const stop = new AbortController()
    const run = sweep({ ...config, out }, { signal: stop.signal })
    await assert.rejects(async () => {
      for await (const _ of run) stop.abort(reason)
    }, reason)
    const kept = lines(out)
    assert.ok(kept.length >= 1 && kept.length < 3)
    appendFileSync(join(out, 'metrics.jsonl'), '{"step": 9, "sca') // killed while it wrote
    await assert.rejects(swept({ out }), { code: 'ERR_EXISTS', hint: /--resume/ })
    const { report } = await swept({ out, scales: [0, 0.5, 1, 2] }, { resume: true })
    assert.equal(report.measured, 4 - kept.length)
    assert.deepEqual(lines(out).slice(0, kept.length), kept)
    const { report: whole } = await swept({ scales: [0, 0.5, 1, 2] })
    const values = ({ points }) => points.map(({ scales, values }) => ({ scales, values }))
    assert.deepEqual(values(report), values(whole))
    const { report: again } = await swept({ out, scales: [0, 0.5, 1, 2] }, { resume: true })
    assert.equal(again.measured, 0)
    assert.deepEqual(again.points, report.points)
  })

  test('points of other inputs are not taken for those of these', async () => {
    const { out } = await swept()
    for (const change of [{ sequence_length: 32 }, { chat: config.base }, { dtype: 'bfloat16' }])
      await assert.rejects(swept({ out, ...change }, { resume: true }), {
        code: 'ERR_CHECKPOINT',
        message: /expected points of this config/,
        hint: /--overwrite/,
      })
    const { report } = await swept({ out, sequence_length: 32 }, { overwrite: true })
    assert.equal(report.measured, 3)
  })

  for (const by of ['global', 'module_kind', 'layer_group']) {
    test(`write_best by ${by} writes the model that was measured, and is refused before anything is`, async () => {
      const best = place(`best-${by}`)
      const changes = { by, groups: 2, search: 'coordinate', rounds: 1, scales: [0, 0.7], write_best: best }
      const { out, report } = await swept(changes)
      assert.equal(report.model, best)
      const [texts] = config.objectives.map(({ data }) => data[0])
      assert.equal(report.best.values.language, await trainedLoss(best, 'cp', texts))
      await assert.rejects(swept(changes), { code: 'ERR_EXISTS' })
      await swept({ ...changes, out }, { resume: true })
    })
  }

  test('--resume replaces at write_best what this sweep wrote, and nothing else', async () => {
    const best = place('not-of-a-sweep')
    cpSync(config.target, best, { recursive: true })
    writeFileSync(join(best, 'mine.txt'), 'mine')
    const changes = { scales: [0.5], write_best: best }
    const resume = { resume: true }
    await assert.rejects(swept(changes, resume), { code: 'ERR_EXISTS' })
    const { out } = await swept({ scales: [0.5] })
    await assert.rejects(swept({ ...changes, out }, resume), { code: 'ERR_EXISTS' })
    assert.equal(readFileSync(join(best, 'mine.txt'), 'utf8'), 'mine')
    await swept({ ...changes, out }, { ...resume, overwrite: true })
    assert.ok(!existsSync(join(best, 'mine.txt')))
    await swept({ ...changes, out }, resume)
    rmSync(best, { recursive: true })
    cpSync(config.target, best, { recursive: true })
    await assert.rejects(swept({ ...changes, out }, resume), { code: 'ERR_EXISTS' }, 'a model from elsewhere')
  })

  test('write_best does not replace a folder that the data of an objective lie in', async () => {
    const best = place('with-data')
    cpSync(config.target, best, { recursive: true })
    const data = [{ path: join(best, 'texts.txt') }]
    cpSync(config.objectives[0].data[0].path, data[0].path)
    const objectives = [{ ...config.objectives[0], data }]
    await assert.rejects(swept({ objectives, write_best: best }, { overwrite: true }), { code: 'ERR_USAGE' })
    assert.ok(existsSync(data[0].path))
  })

  test('control tokens that the target lacks are added with the chat model’s rows, whatever the scale, as in files', async () => {
    const target = place('untagged')
    cpSync(config.target, target, { recursive: true })
    const tokenizer = json(target, 'tokenizer.json')
    tokenizer.model.vocab['never-said'] = tokenizer.model.vocab['<user>']
    delete tokenizer.model.vocab['<user>']
    tokenizer.added_tokens = tokenizer.added_tokens.filter(({ content }) => content !== '<user>')
    writeFileSync(join(target, 'tokenizer.json'), JSON.stringify(tokenizer))
    rmSync(join(target, 'chat_template.jinja')) // the chat model's is used
    const { base, chat } = config
    const { report } = await swept({ target, scales: [0, 0.8] })
    for (const { scales, values } of report.points) {
      const { out, vocabulary } = await graft({
        target,
        base,
        chat,
        scale: scales.all,
        out: place(`tags-${made++}`),
      })
      assert.deepEqual(Object.keys(vocabulary.added_tokens), ['<user>'])
      const [texts, chats] = config.objectives.map(({ data }) => data[0])
      assert.equal(values.manners, await trainedLoss(out, 'sft', chats))
      assert.equal(values.language, await trainedLoss(out, 'cp', texts))
    }
  })

  test('a delta folder takes the place of its two models: a dense one gives the same values', async () => {
    const { base, chat } = config
    const { out: delta } = await extractDelta({ base, chat, out: place('delta') })
    const scales = [0, 0.8]
    const values = ({ points }) => points.map((point) => point.values)
    const { report } = await swept({ scales })
    const best = place('best-of-delta')
    const changes = { base: undefined, chat: undefined, delta, scales, force: true }
    const { out, report: ofDelta } = await swept({ ...changes, write_best: best })
    assert.deepEqual(values(ofDelta), values(report))
    assert.equal(ofDelta.best.values.language, await trainedLoss(best, 'cp', config.objectives[0].data[0]))
    const { report: again } = await swept({ ...changes, out }, { resume: true })
    assert.equal(again.measured, 0)
    await assert.rejects(swept({ ...changes, force: false }), { code: 'ERR_WRONG_BASE' })
    await assert.rejects(swept({ ...changes, base }), {
      code: 'ERR_CONFIG',
      message: /delta: expected base and chat, or delta, received base, delta/,
    })
    await assert.rejects(swept({ chat: undefined }), { code: 'ERR_CONFIG', message: /received base$/ })
  })

  test('a tied target whose chat model has a head of its own gets one', async () => {
    const tied = await writeTinyModel(place('tied'), { seed: 9, layers: 4, tied: true })
    const { base, chat } = config
    const { report } = await swept({ target: tied, scales: [0.6] })
    const { out, unties_head } = await graft({ target: tied, base, chat, scale: 0.6, out: place('untied') })
    assert.equal(unties_head, true)
    const [texts] = config.objectives.map(({ data }) => data[0])
    assert.equal(report.points[0].values.language, await trainedLoss(out, 'cp', texts))
  })

  test('a dry run tells points, rows and memory, and leaves nothing', async () => {
    const { out, report } = await swept(
      { by: 'layer_group', groups: 4, search: 'coordinate' },
      { dryRun: true },
    )
    assert.equal(report.points, 1 + 2 * 4 * 3)
    assert.deepEqual(report.dimensions, ['layer_0', 'layer_1', 'layer_2', 'layer_3'])
    assert.ok(report.rows.language > 0 && report.rows.manners > 0)
    assert.equal(report.delta_bytes, report.live_bytes)
    assert.ok(report.memory_bytes > report.target_bytes + report.delta_bytes + report.live_bytes)
    assert.ok(!existsSync(out))
  })

  test('what cannot be is refused by key, before anything is written', async () => {
    const [language, manners] = config.objectives
    const refusals = [
      [{ scales: [] }, /scales: expected/],
      [{ scales: { from: 1, to: 0 } }, /scales: expected/],
      [{ search: 'golden_section', by: 'module_kind' }, /search: expected grid or coordinate/],
      [{ search: 'golden_section', scales: [1] }, /scales: expected two different ends/],
      [{ objectives: [] }, /objectives: expected at least one/],
      [{ objectives: [language, language] }, /language twice/],
      [{ objectives: [{ ...manners, limit: 2 }] }, /expected one to be made small/],
      [{ objectives: [{ ...language, loss: 'texts' }] }, /objectives\.0\.loss: expected text \| messages/],
      [{ by: 'layer_group', groups: 9 }, /groups: expected at most 4/],
      [
        { by: 'module_kind', scales: { from: 0, to: 1, steps: 9 } },
        /max_points: expected at most 200 .* 59049/,
      ],
      [{ sclaes: [1] }, /sclaes: unknown key/],
      [{ scales: [0, 1e300] }, /scales\.1: expected a number that float32 can hold/],
      [{ scales: [Number.NaN] }, /scales\.0: expected a number, received NaN/],
      [{ write_best: place('refused') }, /write_best: expected a folder beside out or in it/],
      [{ write_best: place('.') }, /write_best: expected a folder beside out or in it/],
    ]
    for (const [changes, message] of refusals)
      await assert.rejects(swept({ out: place('refused'), ...changes }), { code: 'ERR_CONFIG', message })
    await assert.rejects(swept({ out: place('refused'), device: 'cuda' }), { code: 'ERR_CONFIG' })
    await assert.rejects(swept({ out: place('refused'), chat: place('nowhere') }), { code: 'ERR_NOT_FOUND' })
    await assert.rejects(
      swept({ out: place('refused'), objectives: [{ ...language, data: [{ path: place('nothing.txt') }] }] }),
      { code: 'ERR_NOT_FOUND' },
    )
    assert.ok(!existsSync(place('refused')))
    const inside = join(config.target, 'run')
    await assert.rejects(swept({ out: config.target }, { overwrite: true }), { code: 'ERR_EXISTS' })
    rmSync(inside, { recursive: true, force: true })
  })

  test('a place that takes no folders fails at once', async () => {
    await assert.rejects(swept({ out: '/proc/sweep/run' }), { code: 'ERR_IO', message: /\/proc\/sweep/ })
  })

  test('neither a training nor a sweep goes on with a run folder of the other', async () => {
    const { out } = await swept()
    const before = readFileSync(join(out, 'metrics.jsonl'))
    const { target: model, data_cache } = config
    const training = { objective: 'cp', model, data: config.objectives[0].data, steps: 1, data_cache, out }
    await assert.rejects(train(training, { resume: true }).result, {
      code: 'ERR_EXISTS',
      message: /expected a run of train to resume, found a folder that sweep has written/,
      hint: 'Choose another out.',
    })
    assert.deepEqual(readFileSync(join(out, 'metrics.jsonl')), before)
    const trained = place('trained')
    await train({ ...training, sequence_length: 64, threads: 1, out: trained }).result
    await assert.rejects(swept({ out: trained }, { resume: true }), {
      code: 'ERR_EXISTS',
      message: /expected a run of sweep to resume, found a folder that train has written/,
    })
  })

  test('an abort comes through within a moment, wherever it meets the sweep', async () => {
    for (const wait of [0, 5, 20, 60, 150]) {
      const stop = new AbortController()
      const reason = new Error(`after ${wait} ms`)
      const run = sweep(
        { ...config, scales: { from: 0, to: 1, steps: 100 }, out: place(`abort-${wait}`) },
        { signal: stop.signal },
      )
      await sleep(wait)
      const begin = performance.now()
      stop.abort(reason)
      await assert.rejects(run.result, reason)
      assert.ok(performance.now() - begin < 2000, 'the machine may be busy; test/stress measures 100 ms')
    }
  })

  test('progress counts bytes of models, then rows up to those foretold', async () => {
    const heard = []
    await swept({}, { onProgress: (progress) => heard.push(progress) })
    const rows = heard.filter(({ label }) => label === 'sweep')
    assert.ok(heard.some(({ label, unit }) => label === 'read target' && unit === 'bytes'))
    assert.equal(rows.at(-1).done, rows.at(-1).total)
    assert.deepEqual(
      rows.map(({ done }) => done),
      rows.map(({ done }) => done).toSorted((a, b) => a - b),
    )
  })
})
