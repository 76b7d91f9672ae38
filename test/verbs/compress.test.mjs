// The pipeline of compression as a run: record, result, resume after every stage, refusals, stop. What a finished one
// is asked anew: compress_finished.test.mjs.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { compress, inspect } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { lastingFiles, sameButFor, tinyPipelines } from '../helpers/tiny_compression.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const { place, given, recovers, configOf, compressed } = await tinyPipelines()

describe('compress', () => {
  const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
  const lines = (out) =>
    readFileSync(join(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  test('trainings in a row are what train makes, one after the other', async () => {
    const { out, model, report } = await compressed({ keep: 'all' })
    const { recovery, data_cache, threads, seed } = given
    let start = given.model
    for (const [i, changes] of [{}, { steps: 3, optimizer: { lr: 1e-4 } }].entries()) {
      const config = {
        ...recovery,
        ...changes,
        model: start,
        data_cache,
        threads,
        seed,
        out: place(`train-${i}`),
      }
      start = (await train(config).result).model
      const stage = join(out, `stages/0${i + 1}-recover/model`)
      assert.deepEqual(weights(stage), weights(start), `stage ${i + 1}`)
    }
    assert.deepEqual(weights(model), weights(start))
    assert.equal(model, join(out, 'model'))
    assert.deepEqual(
      report.stages.map(({ stage, method, key }) => [stage, method, key]),
      [
        ['00-start', 'start', undefined],
        ['01-recover', 'recover', 'stages.0'],
        ['02-recover', 'recover', 'stages.1'],
      ],
    )
    assert.ok(report.stages[2].perplexity < report.stages[0].perplexity)
    assert.equal(report.stages[0].perplexity, Math.exp(report.stages[0].loss))
    assert.deepEqual(json(model, 'report.json'), report)
    assert.deepEqual(json(out, 'report.json'), report)
    assert.deepEqual(lines(out), report.stages)
    const { parameters, bytes } = await inspect(model)
    assert.deepEqual(report.stages[2].parameters, parameters)
    assert.equal(report.stages[2].bytes, bytes)
  })

  test('a run folder in the model that is read is refused, to be overwritten or not', async () => {
    for (const overwrite of [false, true])
      for (const [model, out] of [
        [given.model, join(given.model, 'small')],
        [given.model, join(given.model, 'runs/small')],
        [given.model, given.model],
      ])
        await assert.rejects(compress(configOf({ model, out }), { overwrite }).result, (error) => {
          assert.match(
            error.message,
            /expected (a run folder outside of model folders|another folder than model)/,
          )
          return true
        })
    assert.ok(!existsSync(join(given.model, 'small')))
  })

  test('calibration texts that cannot be read are met before a training, not after it', async () => {
    const broken = place('broken.jsonl')
    writeFileSync(broken, '{"text": "one"}\n{"text": \n')
    const calibration = { ...given.calibration, data: [{ path: broken, format: 'text' }] }
    const config = configOf({ calibration, stages: [{ method: 'recover' }, { method: 'heads', keep: 2 }] })
    await assert.rejects(compress(config).result, { code: 'ERR_DATA' })
    assert.deepEqual(
      lines(config.out).map(({ stage }) => stage),
      ['00-start'],
    )
  })

  test('held-out texts without a token are refused by name', async () => {
    const empty = place('empty.txt')
    writeFileSync(empty, '\n')
    await assert.rejects(compress(configOf({ evaluate: { data: [{ path: empty }] } })).result, {
      code: 'ERR_DATA',
      message: `${empty}: expected text to learn from or to be measured on, found no target token`,
      hint: /^Are the files empty/,
    })
  })

  test('models of stages go once the next one is whole; curves of trainings stay', async () => {
    const { out } = await compressed()
    assert.deepEqual(readdirSync(join(out, 'stages')).sort(), ['01-recover', '02-recover'])
    for (const name of ['01-recover', '02-recover']) {
      const stage = join(out, 'stages', name)
      assert.ok(existsSync(join(stage, 'metrics.jsonl')))
      for (const gone of ['model', 'checkpoints'])
        assert.ok(!existsSync(join(stage, gone)), `${name}/${gone}`)
    }
  })

  test('stopped at each update and each stage, it goes on to the same bytes', async () => {
    const whole = await compressed()
    for (let stop = 1; stop <= 11; stop++) {
      const config = configOf()
      const reason = new Error(`event ${stop}`)
      let events = 0
      const abort = new AbortController()
      let kept = 0
      const run = compress(config, { signal: abort.signal, onKept: () => kept++ })
      await assert.rejects(async () => {
        for await (const _ of run) if (++events === stop) abort.abort(reason)
      }, reason)
      assert.ok(!existsSync(join(config.out, 'model')), `no model after event ${stop}`)
      const { model, report } = await compress(config, { resume: true }).result
      sameButFor(lastingFiles(model), lastingFiles(whole.model), [config.out, whole.out])
      assert.equal(report.inputs_sha256, whole.report.inputs_sha256)
      assert.equal(kept > 0, stop > 1, `kept after event ${stop}`)
    }
  })

  test('a training that is at its end is not done again, wherever its session was stopped behind it', async () => {
    const evaluate = { ...given.evaluate, batch_size: 1 } // asked between two
    const whole = await compressed({ evaluate })
    const config = configOf({ evaluate })
    const abort = new AbortController()
    const reason = new Error('as the first stage is measured')
    let kept = 0
    const onProgress = ({ label }) => {
      if (label === 'evaluate' && existsSync(join(config.out, 'stages/01-recover/model'))) abort.abort(reason)
    }
    const run = compress(config, { signal: abort.signal, onKept: () => kept++, onProgress })
    await assert.rejects(run.result, reason)
    assert.deepEqual(
      lines(config.out).map(({ stage }) => stage),
      ['00-start'],
    )
    assert.ok(kept > 0)
    const updates = []
    const resumed = compress(config, { resume: true })
    for await (const { event, stage } of resumed) if (event === 'step') updates.push(stage)
    assert.deepEqual(updates, Array(3).fill('02-recover'))
    const { model } = await resumed.result
    sameButFor(lastingFiles(model), lastingFiles(whole.model), [config.out, whole.out])
    for (const name of ['01-recover', '02-recover'])
      assert.ok(!existsSync(join(config.out, 'stages', name, 'checkpoints')), name)
  })

  test('what a killed session had recorded and not cleared away yet is cleared away', async () => {
    const config = configOf()
    const abort = new AbortController()
    const reason = new Error('stage')
    const run = compress(config, { signal: abort.signal })
    await assert.rejects(async () => {
      for await (const { stage, event } of run)
        if (event === 'stage' && stage === '01-recover') abort.abort(reason)
    }, reason)
    const { inputs_sha256 } = lines(config.out)[1]
    writeFileSync(
      join(config.out, 'stages/begun.json'),
      JSON.stringify({ stage: '01-recover', inputs_sha256 }),
    )
    mkdirSync(join(config.out, 'stages/01-recover/checkpoints/step-00000006'), { recursive: true })
    await compress(config, { resume: true }).result
    assert.ok(!existsSync(join(config.out, 'stages/01-recover/checkpoints')))
    assert.ok(!existsSync(join(config.out, 'stages/begun.json')))
  })

  test('a run that reads its own folder, or a model that is not there, does not go for it', async () => {
    const { out } = await compressed()
    const before = lastingFiles(join(out, 'model'))
    const prompts = join(out, 'prompts.txt')
    writeFileSync(prompts, 'how are you\n')
    for (const [stages, expected] of [
      [[{ method: 'distil', teacher: join(out, 'model') }], 'ERR_USAGE'],
      [
        [{ method: 'recover', eval: { every: 2, data: given.evaluate.data, samples: { prompts } } }],
        'ERR_USAGE',
      ],
      [[{ method: 'distil', teacher: place('none') }], 'ERR_NOT_FOUND'],
    ])
      await assert.rejects(compress(configOf({ out, stages }), { overwrite: true }).result, {
        code: expected,
      })
    assert.deepEqual(lastingFiles(join(out, 'model')), before)
  })

  test('a dry run tells the sizes of every stage, and writes nothing', async () => {
    const { out, model, report } = await compressed({}, { dryRun: true })
    assert.ok(!existsSync(out))
    assert.equal(model, join(out, 'model'))
    const { parameters, bytes, macs } = await inspect(given.model, { macs: true, tokens: 512 })
    assert.deepEqual(
      report.stages.map((stage) => [stage.stage, stage.key, stage.parameters, stage.bytes]),
      [
        ['00-start', 'model', parameters, bytes],
        ['01-recover', 'stages.0', parameters, bytes],
        ['02-recover', 'stages.1', parameters, bytes],
      ],
    )
    const { visible: _, parts: _p, ...counted } = macs
    assert.deepEqual(report.stages[1].macs, counted)
    const moments = 3 * 3 // two checkpoints and one in the making, each of values and two moments in float32
    assert.equal(report.disk_bytes, (2 + moments) * bytes)
    assert.equal(report.memory_stage, '01-recover')
    assert.ok(report.memory_bytes > 220e6 + 4 * bytes)
  })

  describe('is refused before anything is written', () => {
    const refuse = (name, changes, expected, options) =>
      test(name, async () => {
        const config = configOf(typeof changes === 'function' ? changes() : changes)
        await assert.rejects(compress(config, options).result, expected)
        assert.ok(!existsSync(config.out))
      })
    refuse(
      'with a method that is not known',
      { stages: [{ method: 'recovery' }] },
      {
        code: 'ERR_CONFIG',
        message: /^config: stages\.0\.method: expected .*recover.*, received "recovery"$/,
        hint: "Did you mean 'recover'?",
      },
    )
    refuse(
      'with a key of recovery that training has not',
      () => ({ recovery: { ...given.recovery, step: 3 } }),
      {
        code: 'ERR_CONFIG',
        message: 'config: recovery.step: unknown key',
        hint: "Did you mean 'steps'?",
      },
    )
    refuse(
      'with a stage of training that says nonsense',
      { stages: [recovers[0], { method: 'recover', optimizer: { lr: -1 } }] },
      {
        code: 'ERR_CONFIG',
        message: 'config: stages.1.optimizer.lr: expected a number above 0, received -1',
      },
    )
    refuse(
      'where training itself would refuse',
      { stages: [{ method: 'recover', z_loss: 1, objective: 'dpo' }] },
      {
        code: 'ERR_CONFIG',
        message: 'config: stages.0.z_loss: expected 0 with objective dpo, received 1',
        hint: 'z_loss belongs to the losses over tokens: cp, inscp, sft and masked.',
        details: { file: 'config', key: 'stages.0.z_loss' },
      },
    )
    refuse(
      'where the next stage would have no model',
      { stages: [{ method: 'recover', lora: { merge: false } }] },
      {
        code: 'ERR_CONFIG',
        message: 'config: stages.0.lora.merge: expected true, received false',
        hint: 'The next stage needs the model, not its adapter.',
      },
    )
    refuse('with data that are not there', () => ({ evaluate: { data: [{ path: place('none.txt') }] } }), {
      code: 'ERR_NOT_FOUND',
    })
    refuse(
      'where a training is not one for the model',
      { stages: [recovers[0], { ...recovers[1], objective: 'masked' }] },
      {
        code: 'ERR_CONFIG',
        message: 'config: stages.1.objective: expected one for a model of type llama, received masked',
        hint: /others train this model/,
      },
    )
    refuse('without stages', { stages: [] }, { message: /stages: expected at least one stage/ })
    refuse(
      'without anything to recover on',
      { recovery: undefined },
      {
        message: 'config: stages.0.data: expected a list of { path }, received nothing',
      },
    )
  })

  test('a run folder is kept from other verbs, other models and those who say nothing', async () => {
    const { out } = await compressed({ stages: recovers.slice(0, 1) })
    const config = { ...configOf({ stages: recovers.slice(0, 1) }), out }
    await assert.rejects(compress(config).result, { code: 'ERR_EXISTS', hint: /--resume/ })
    const { recovery, model } = given
    await assert.rejects(train({ ...recovery, model, out }, { resume: true }).result, {
      code: 'ERR_EXISTS',
      message: `${out}: expected a run of train to resume, found a folder that compress has written`,
    })
    const other = await writeTinyModel(place('other'), { seed: 9 })
    await assert.rejects(compress({ ...config, model: other }, { resume: true }).result, {
      code: 'ERR_CHECKPOINT',
      message: `${out}: expected a run of this config and these inputs, found one of others`,
    })
    const { report } = await compress({ ...config, model: other }, { overwrite: true }).result
    assert.equal(report.resumed_after, undefined)
  })

  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
})
