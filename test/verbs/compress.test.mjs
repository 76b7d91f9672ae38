// The pipeline of compression as a run: record, result, resume after every stage, refusals, stop.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress, inspect } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { lastingFiles, sameButFor, tinyCompression } from '../helpers/tiny_compression.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

describe('compress', () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
  const lines = (out) =>
    readFileSync(join(out, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  const recovers = [{ method: 'recover' }, { method: 'recover', steps: 3, optimizer: { lr: 1e-4 } }]
  let given
  let made = 0
  const configOf = (changes = {}) => ({ ...given, stages: recovers, out: place(`run-${made++}`), ...changes })
  const compressed = async (changes, options) => {
    const config = configOf(changes)
    return { out: config.out, ...(await compress(config, options).result) }
  }
  before(async () => {
    given = await tinyCompression(place('inputs'))
  })

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

  test('what is appended to a finished pipeline goes on from its result', async () => {
    const first = await compressed({ stages: recovers.slice(0, 1) })
    const events = []
    const run = compress({ ...configOf(), out: first.out }, { resume: true })
    for await (const event of run) events.push(event)
    const { report, model } = await run.result
    assert.equal(report.resumed_after, '01-recover')
    assert.deepEqual(
      events.filter(({ event }) => event === 'stage').map(({ stage }) => stage),
      ['02-recover'],
    )
    const whole = await compressed()
    assert.deepEqual(weights(model), weights(whole.model))
    assert.deepEqual(
      report.stages.map(({ loss }) => loss),
      whole.report.stages.map(({ loss }) => loss),
    )
  })

  test('a finished pipeline is not done again; a changed stage is, and those after it', async () => {
    const { out, report } = await compressed({ keep: 'all' })
    const again = await compress({ ...configOf({ keep: 'all' }), out }, { resume: true }).result
    assert.deepEqual(again.report, report)
    const changed = [recovers[0], { ...recovers[1], steps: 2 }]
    const { report: other } = await compress(
      { ...configOf({ keep: 'all' }), out, stages: changed },
      { resume: true },
    ).result
    assert.equal(other.resumed_after, '01-recover')
    assert.equal(other.stages[2].figures.steps, 2)
    assert.deepEqual(other.stages[1], report.stages[1])
    assert.notEqual(other.inputs_sha256, report.inputs_sha256)
    const first = [{ ...recovers[0], steps: 5 }, changed[1]]
    const all = await compress({ ...configOf({ keep: 'all' }), out, stages: first }, { resume: true }).result
    assert.equal(all.report.resumed_after, undefined)
    assert.notEqual(all.report.inputs_sha256, other.inputs_sha256)
    assert.deepEqual(
      all.report.stages.map(({ figures }) => figures?.steps),
      [undefined, 5, 2],
    )
  })

  test('a session deletes the models that the one before it was killed too early to delete', async () => {
    const { out } = await compressed({ keep: 'all' })
    const models = ['01-recover', '02-recover'].map((name) => join(out, 'stages', name, 'model'))
    const left = () => models.map((place) => existsSync(place))
    assert.deepEqual(left(), [true, true])
    await compress({ ...configOf({ keep: 'last' }), out }, { resume: true }).result
    assert.deepEqual(left(), [false, false])
  })

  test('a finished run that is asked to count and measure otherwise tells no more what it told', async () => {
    const stages = [{ method: 'rows', criterion: 'l1', keep: 16 }]
    const { out, report: before } = await compressed({ stages })
    const evaluate = { ...given.evaluate, sequence_length: 32 }
    const other = { ...given, stages, out, evaluate, macs_tokens: 64 }
    const { report, model } = await compress(other, { resume: true }).result
    assert.deepEqual(
      report.stages.map(({ macs, loss }) => [macs.tokens, loss]),
      [
        [64, undefined],
        [64, undefined],
      ],
    )
    assert.equal(before.stages[1].macs.tokens, 512)
    assert.deepEqual(json(model, 'report.json'), json(out, 'report.json'))
    assert.equal(json(out, 'report.json').stages[1].macs.tokens, 64)
    const again = await compress(other, { resume: true }).result
    assert.deepEqual(again.report, report) // nothing new: what was told then
  })

  test('losses on other texts are left out of what goes on', async () => {
    const { out } = await compressed({ stages: recovers.slice(0, 1) })
    const warnings = []
    const onWarning = (text) => warnings.push(text)
    const evaluate = { ...given.evaluate, sequence_length: 32 }
    const { report } = await compress({ ...configOf({ evaluate }), out }, { resume: true, onWarning }).result
    assert.deepEqual(
      report.stages.map(({ loss, perplexity }) => [loss === undefined, perplexity === undefined]),
      [
        [true, true],
        [true, true],
        [false, false],
      ],
    )
    assert.deepEqual(warnings, [
      'the losses of 2 finished stages were measured on other texts: they are left out',
    ])
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
    const other = await writeTinyModel(place(`other-${made++}`), { seed: 9 })
    await assert.rejects(compress({ ...config, model: other }, { resume: true }).result, {
      code: 'ERR_CHECKPOINT',
      message: `${out}: expected a run of this config and these inputs, found one of others`,
    })
    const { report } = await compress({ ...config, model: other }, { overwrite: true }).result
    assert.equal(report.resumed_after, undefined)
  })

  const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
})

test('a model keeps its dtype, which its weights tell where config.json does not; float16 becomes float32, and that is told', async () => {
  const place = temporaryFolder()
  const config = await tinyCompression(join(place, 'inputs'))
  const file = join(config.model, 'config.json')
  const { torch_dtype: _, ...silent } = JSON.parse(readFileSync(file, 'utf8'))
  const stages = [{ method: 'rows', criterion: 'l1', keep: 16 }]
  const bytes = async (keys, options = {}) => {
    writeFileSync(file, JSON.stringify({ ...silent, ...keys }))
    const { report } = await compress(
      { ...config, out: join(place, 'out'), stages },
      { dryRun: true, ...options },
    ).result
    return report.stages[1].bytes
  }
  const wide = await bytes({})
  const warnings = []
  const half = await bytes({ torch_dtype: 'float16' }, { onWarning: (message) => warnings.push(message) })
  assert.equal(half, wide)
  assert.match(warnings.join(), /is stored in float16, and becomes float32; dtype: bfloat16 keeps its size$/)
  assert.equal(2 * (await bytes({ torch_dtype: 'bfloat16' })), wide)
  const made = await runJob('loadModel', {
    folder: config.model,
    spec: decoderSpec({ ...silent }),
    dtype: 'bfloat16',
    threads: 1,
  })
  rmSync(join(config.model, 'model.safetensors'))
  await runJob('saveModel', { model: made, folder: config.model, dtype: 'bfloat16', max_shard_bytes: 1e9 })
  native().dispose(made)
  assert.equal(2 * (await bytes({})), wide)
})
