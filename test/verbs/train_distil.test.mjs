// Learning from a teacher, from config to a smaller model; native tests have the laws of its loss.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { compress } from 'tongueforge'
import { Tokenizer } from '#lib/text/tokenizer'
import { train } from '#lib/verbs/train'
import { checkSameTokens } from '#lib/verbs/training/teaching'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { wordTokenizer } from '../helpers/tokenizers.mjs'

const metrics = (out) =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const configOf = (folder) => JSON.parse(readFileSync(join(folder, 'config.json')))
const near = (a, b, tolerance) => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b))

function hashesOf(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return names.map((entry) => {
    const bytes = readFileSync(join(entry.parentPath ?? entry.path, entry.name))
    return `${entry.name} ${createHash('sha256').update(bytes).digest('hex')}`
  })
}

describe('distil', () => {
  const root = temporaryFolder()
  const teacher = join(root, 'teacher')
  let common
  let made = 0
  const config = (changes = {}) => ({
    objective: 'distil',
    teacher,
    student: { first: 2 },
    out: join(root, `run-${made++}`),
    data: common.data,
    eval: { every: 100, data: common.eval.data },
    data_cache: common.data_cache,
    sequence_length: 64,
    batch_size: 4,
    steps: 6,
    optimizer: { lr: 1e-3 },
    schedule: { warmup: 2 },
    threads: 1,
    seed: 3,
    ...changes,
  })
  const run = async (options, more) => ({ ...(await train(options, more).result), out: options.out })

  before(async () => {
    common = await tinyTraining(join(root, 'texts'))
    await writeTinyModel(teacher, { width: 64, layers: 4 })
  })

  test('a student of all blocks begins as its teacher, and has nothing to learn from it', async () => {
    const { out, report } = await run(config({ student: {}, distil: { alpha: 1 }, steps: 1 }))
    const [line] = metrics(out)
    assert.ok(Math.abs(line.divergence) < 1e-6, `${line.divergence}`)
    assert.ok(line.nll > 1)
    assert.ok(Math.abs(report.eval_loss_before) < 1e-6)
  })

  test('loss and figures are what the config mixes, in training and on held-out data', async () => {
    const { out, report } = await run(config({ distil: { temperature: 2, alpha: 0.3 } }))
    for (const { loss, nll, divergence } of [...metrics(out), report])
      assert.ok(near(loss, 0.7 * nll + 0.3 * 4 * divergence, 1e-5), `${loss}`)
    for (const { eval_loss, eval_nll, eval_divergence } of [metrics(out).at(-1), report])
      assert.ok(near(eval_loss, 0.7 * eval_nll + 0.3 * 4 * eval_divergence, 1e-5), `${eval_loss}`)
    const lines = metrics(out)
    const tail = lines.slice(-Math.ceil(lines.length / 10))
    assert.equal(report.nll, tail.reduce((sum, { nll }) => sum + nll, 0) / tail.length)
    assert.equal(report.eval_divergence, lines.at(-1).eval_divergence)
    const paper = await run(config({ distil: { temperature: 2, alpha: 1, squared: false } }))
    for (const { loss, divergence } of metrics(paper.out)) assert.ok(near(loss, divergence, 1e-6))
  })

  test('the student comes nearer to its teacher, which no byte of it does', async () => {
    const before = hashesOf(teacher)
    const { report, out } = await run(config({ steps: 40, distil: { alpha: 1, divergence: 'reverse' } }))
    assert.ok(
      report.eval_loss < report.eval_loss_before / 2,
      `${report.eval_loss_before} -> ${report.eval_loss}`,
    )
    assert.deepEqual(hashesOf(teacher), before)
    const { inputs } = JSON.parse(readFileSync(join(out, 'model', 'provenance.json')))
    assert.ok(inputs.some(({ role, path }) => role === 'teacher' && path === teacher))
  })

  test('without a share of the teacher it is cp, to the byte', async () => {
    const student = join(root, 'student')
    await writeTinyModel(student, { width: 64, layers: 2, seed: 4 })
    const alone = await run(config({ student: undefined, model: student, distil: { alpha: 0 } }))
    const plain = await run(
      config({ objective: 'cp', teacher: undefined, student: undefined, model: student }),
    )
    assert.ok(weights(alone.out).equals(weights(plain.out)))
  })

  test('conversations are read as by sft, with the loss on what the assistant says', async () => {
    const chats = join(root, 'chats.jsonl')
    const turn = (i) => ({ prompt: `the color of anna ${'is '.repeat(i % 3)}`, completion: 'red .' })
    writeFileSync(chats, Array.from({ length: 20 }, (_, i) => `${JSON.stringify(turn(i))}\n`).join(''))
    const data = { data: [{ path: chats }], eval: undefined, student: undefined, model: teacher }
    const taught = await run(config({ ...data, distil: { encode: 'sft', alpha: 0 } }))
    const plain = await run(config({ ...data, objective: 'sft', teacher: undefined }))
    assert.ok(weights(taught.out).equals(weights(plain.out)))
    const tokens = ({ out }) => metrics(out).map((line) => line.tokens)
    assert.deepEqual(tokens(taught), tokens(plain))
    assert.ok(tokens(plain)[0] < plain.report.plan.tokens_per_step / 2)
  })

  test('blocks are those of the teacher, and config.json says how many', async () => {
    for (const [keys, chosen] of [
      [{ first: 2 }, [0, 1]],
      [{ every: 2 }, [0, 2]],
      [{ layers: [3, 1] }, [1, 3]],
    ]) {
      // A step without a learning rate leaves the weights as they were.
      const { out, report } = await run(
        config({ student: keys, steps: 1, optimizer: { lr: 1e-30, weight_decay: 0 } }),
      )
      assert.deepEqual(report.plan.student, { layers: chosen, hidden_size: 64 })
      assert.equal(configOf(join(out, 'model')).num_hidden_layers, 2)
      const from = readArrays(join(teacher, 'model.safetensors'))
      const made = readArrays(join(out, 'model', 'model.safetensors'))
      for (const [name, { data }] of Object.entries(made)) {
        const theirs = name.replace(/layers\.(\d+)\./, (_, i) => `layers.${chosen[i]}.`)
        assert.deepEqual(data, from[theirs].data, name)
      }
    }
  })

  test('a narrower student has fewer channels, and its states are projected to be compared', async () => {
    const hidden = {
      layers: [
        [1, 2],
        [2, 4],
      ],
      weight: 0.5,
    }
    const { out, report } = await run(
      config({ student: { first: 2, hidden_size: 48 }, steps: 30, distil: { hidden } }),
    )
    const { hidden_size, head_dim } = configOf(join(out, 'model'))
    assert.deepEqual({ hidden_size, head_dim }, { hidden_size: 48, head_dim: 16 })
    assert.equal(report.plan.trained_parameters, report.plan.parameters + 2 * 64 * 48)
    const lines = metrics(out)
    assert.ok(lines.at(-1).hidden < lines[0].hidden, `${lines[0].hidden} -> ${lines.at(-1).hidden}`)
    for (const { loss, nll, divergence, hidden: apart } of lines)
      assert.ok(near(loss, 0.5 * nll + 0.5 * divergence + 0.5 * apart, 1e-5))
    const names = Object.keys(readArrays(join(out, 'model', 'model.safetensors')))
    assert.ok(names.every((name) => !name.includes('projection')))
  })

  test('a student of fewer heads and rows has the sizes that config.json says, and learns', async () => {
    const keys = { first: 2, num_heads: 3, intermediate_size: 200 }
    const { out, report } = await run(config({ student: keys, steps: 20, distil: { alpha: 1 } }))
    const { num_attention_heads, num_key_value_heads, intermediate_size, head_dim, model_type } = configOf(
      join(out, 'model'),
    )
    assert.deepEqual(
      [num_attention_heads, num_key_value_heads, intermediate_size, head_dim, model_type],
      [3, 3, 200, 16, 'llama'],
    )
    const made = readArrays(join(out, 'model', 'model.safetensors'))
    assert.deepEqual(made['model.layers.1.self_attn.o_proj.weight'].shape, [64, 48])
    assert.deepEqual(made['model.layers.1.mlp.down_proj.weight'].shape, [64, 200])
    assert.ok(report.eval_loss < report.eval_loss_before)
  })

  test('stopped and resumed is never stopped, projections included', async () => {
    const changes = {
      student: { every: 2, hidden_size: 48 },
      distil: { temperature: 2, hidden: { layers: [[1, 2]] } },
      steps: 9,
      checkpoint: { every: 3, keep: 1 },
    }
    const undisturbed = await run(config(changes))
    const options = config(changes)
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const { step } of train(options, { signal: stop.signal })) if (step >= 4) stop.abort()
    })
    await run(options, { resume: true })
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
  })

  test('one batch and its micro-batches give the same figures', async () => {
    const distil = { hidden: { layers: [[2, 4]] } }
    const whole = metrics((await run(config({ distil }))).out)
    const parts = metrics((await run(config({ distil, batch_size: 1, accumulation: 4 }))).out)
    for (const [i, line] of whole.entries())
      for (const figure of ['loss', 'grad_norm', 'nll', 'divergence', 'hidden'])
        assert.ok(near(line[figure], parts[i][figure], 1e-4), figure)
  })

  test('the teacher may be in bfloat16, adapters may learn from it, and sizes may start at random', async () => {
    const exact = metrics((await run(config())).out)
    const half = metrics((await run(config({ distil: { dtype: 'bfloat16' } }))).out)
    assert.ok(near(exact[0].divergence, half[0].divergence, 0.05))
    const lora = await run(
      config({ student: undefined, model: teacher, lora: { rank: 4 }, distil: { alpha: 1 }, steps: 2 }),
    )
    assert.ok(Math.abs(metrics(lora.out)[0].divergence) < 1e-6)
    const random = await run(config({ student: { first: 2, initialize: 'random' }, steps: 1 }))
    assert.notEqual(metrics(random.out)[0].nll, exact[0].nll)
  })

  test('a dry run tells teacher and student, and counts the teacher in memory and time', async () => {
    const { report } = await run(config(), { dryRun: true })
    const { plan } = report
    const alone = (await run(config({ student: undefined, model: teacher }), { dryRun: true })).report.plan
    assert.deepEqual(plan.teaching, { teacher, parameters: alone.parameters, dtype: 'float32' })
    const init = configOf(teacher)
    const plain = await run(
      config({
        ...{ objective: 'cp', teacher: undefined, student: undefined },
        ...{ init: { ...init, num_hidden_layers: 2 }, tokenizer: teacher },
      }),
      { dryRun: true },
    )
    const more = plan.memory_bytes - plain.report.plan.memory_bytes
    assert.equal(more, 4 * alone.parameters)
    assert.ok(plan.peak_memory_bytes > plain.report.plan.peak_memory_bytes + more)
  })

  test('a finished run is found again, but not one of another teacher', async () => {
    const options = config({ steps: 2 })
    await run(options)
    const { report } = await run(options, { resume: true })
    assert.equal(report.objective, 'distil')
    const other = await writeTinyModel(join(root, 'other'), { width: 64, layers: 4, seed: 9 })
    await assert.rejects(run({ ...options, teacher: other }, { resume: true }), { code: 'ERR_CHECKPOINT' })
  })

  test('a teacher of other tokens is refused, and the token is named', async () => {
    const other = join(root, 'other-tokens')
    cpSync(teacher, other, { recursive: true })
    const file = join(other, 'tokenizer.json')
    const tokenizer = JSON.parse(readFileSync(file, 'utf8'))
    const word = Object.keys(tokenizer.model.vocab).find((name) => tokenizer.model.vocab[name] === 20)
    delete tokenizer.model.vocab[word]
    tokenizer.model.vocab.elsewhere = 20
    writeFileSync(file, JSON.stringify(tokenizer))
    await assert.rejects(run(config({ student: undefined, model: teacher, teacher: other })), {
      code: 'ERR_VOCABULARY',
      message: `${other}: expected token 20 to be "${word}" as for the student, received "elsewhere"`,
      hint: /Teacher and student need one vocabulary/,
    })
  })

  test('ids are compared up to the largest, over those that are left out', async () => {
    const [own, theirs] = [join(root, 'own-words'), join(root, 'their-words')]
    const write = (folder, vocab) => {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'tokenizer.json'), wordTokenizer(vocab))
    }
    write(own, { a: 0, b: 1, c: 9 })
    write(theirs, { a: 0, b: 1, x: 5, d: 9 })
    const tokenizer = await Tokenizer.load(own)
    const teaching = { teacher: { path: theirs }, spec: { vocab_size: 10 } }
    const message = `${theirs}: expected token 9 to be "c" as for the student, received "d"`
    await assert.rejects(checkSameTokens(teaching, { tokenizer }), { code: 'ERR_VOCABULARY', message })
    write(theirs, { a: 0, b: 1, x: 5, c: 9 })
    await checkSameTokens(teaching, { tokenizer })
    await assert.rejects(checkSameTokens({ ...teaching, spec: { vocab_size: 9 } }, { tokenizer }), {
      message: `${theirs}: expected 10 ids that the teacher knows too, received 9`,
    })
  })

  test('keys that need each other are refused by name', async () => {
    for (const [changes, message, hint] of [
      [
        { teacher: undefined, student: undefined, model: teacher },
        /teacher: expected a model to learn from/,
        /teacher: FOLDER/,
      ],
      [
        { student: undefined },
        /expected one of model, init and student, received none/,
        /student: \{ first: 6 \}/,
      ],
      [{ model: teacher }, /expected one of model, init and student, received model and student/, undefined],
      [
        { objective: 'cp', teacher, student: undefined, model: teacher },
        /teacher: expected objective distil/,
        undefined,
      ],
      [
        { student: { first: 2, every: 2 } },
        /student\.every: expected nothing beside first|student\.first: expected nothing beside every/,
        undefined,
      ],
      [{ student: { first: 5 } }, /student\.first: expected at most 4/, /part of its teacher/],
      [{ student: { layers: [4] } }, /student\.layers: expected at most 3/, /numbered from 0/],
      [{ student: { num_heads: 5 } }, /student\.num_heads: expected at most 4/, undefined],
      [
        { student: { intermediate_size: 257 } },
        /student\.intermediate_size: expected at most 256/,
        undefined,
      ],
      [{ student: { hidden_size: 65 } }, /student\.hidden_size: expected at most 64/, undefined],
      [
        { distil: { hidden: { layers: [[3, 4]] } } },
        /at most 2 blocks of the student, received 3/,
        /A pair is/,
      ],
      [{ z_loss: 1e-4 }, /z_loss: expected 0 with objective distil/, undefined],
      [{ lora: {} }, /lora: expected model beside it, received student/, undefined],
    ]) {
      await assert.rejects(run(config(changes)), (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, message)
        if (hint) assert.match(error.hint, hint)
        return true
      })
    }
  })

  test('a stage of compress learns from the model that the pipeline began with, and counts it in memory', async () => {
    const pipeline = (stage) => ({
      ...{ model: teacher, out: join(root, 'pipeline'), threads: 1, data_cache: common.data_cache },
      stages: [
        { method: 'layers', layers: [1, 3] },
        { data: common.data, sequence_length: 64, batch_size: 4, steps: 2, ...stage },
      ],
    })
    const plan = async (stage) => (await compress(pipeline(stage), { dryRun: true }).result).report
    const distil = { method: 'distil', distil: { alpha: 1, hidden: { layers: [[2, 4]] } } }
    const [taught, alone] = [await plan(distil), await plan({ method: 'recover' })]
    assert.ok(taught.memory_bytes > alone.memory_bytes + statSync(join(teacher, 'model.safetensors')).size)
    const { report } = await compress(pipeline(distil)).result
    const { method, figures } = report.stages[2]
    assert.deepEqual([method, figures.objective], ['distil', 'distil'])
    const { inputs } = JSON.parse(readFileSync(join(root, 'pipeline', 'model', 'provenance.json')))
    assert.ok(inputs.some(({ role, path }) => role === 'teacher' && path === teacher))
  })
})
