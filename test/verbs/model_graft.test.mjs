// Grafts on a loaded model: the bits of files, the way back, and calls that run meanwhile.
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { applyDelta, extractDelta, graft, loadModel } from 'tongueforge'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { temporaryFolder } from '../helpers/folders.mjs'
import { random, seed } from '../helpers/stress.mjs'
import { tinyConfig, writeTinyModel } from '../helpers/tiny_model.mjs'

const ROWS = [[1, 5, 9, 30, 2, 7]]
const DTYPES = ['float32', 'bfloat16', 'float16']

describe(`grafts on a model in memory (seed ${seed})`, () => {
  const root = temporaryFolder()
  const place = (name) => join(root, name)
  const [target, base, chat] = ['target', 'base', 'chat'].map(place)
  const delta = { base, chat }
  const draw = random(seed)
  let model
  before(async () => {
    for (const [i, folder] of [target, base, chat].entries()) await writeTinyModel(folder, { seed: i + 1 })
    model = await loadModel(target, { threads: 1 })
  })
  after(() => model.dispose())

  const logits = async (loaded) => (await loaded.logits(ROWS)).data
  const logitsOf = async (folder, dtype) => {
    const loaded = await loadModel(folder, { dtype, threads: 1 })
    const data = await logits(loaded)
    await loaded.dispose()
    return data
  }
  let made = 0
  const graftToFiles = async (options) =>
    (await graft({ ...delta, ...options, out: place(`out-${made++}`) })).out
  /** The same weights, stored in another dtype. */
  const stored = async (folder, dtype) => {
    const copy = `${folder}-${dtype}`
    cpSync(folder, copy, { recursive: true, filter: (file) => !file.endsWith('.safetensors') })
    const spec = decoderSpec(tinyConfig())
    const handle = await runJob('loadModel', { folder, spec, dtype, threads: 1 })
    await runJob('saveModel', { model: handle, folder: copy, dtype, max_shard_bytes: 1e9 })
    native().dispose(handle)
    return copy
  }

  test('a folder with a delta is put on a model with the bits that applying it to files gives', async () => {
    for (const format of ['dense', 'int4', 'lowrank']) {
      const options = format === 'lowrank' ? { format, rank: 4 } : { format }
      const { out } = await extractDelta({ ...delta, ...options, out: place(`${format}.delta`) })
      await assert.rejects(model.graft(out), { code: 'ERR_WRONG_BASE' })
      await model.graft(out, { scale: 0.7, force: true })
      const files = { target, delta: out, scale: 0.7, force: true, out: place(`${format}-applied`) }
      const applied = (await applyDelta(files)).out
      assert.deepEqual(await logits(model), await logitsOf(applied, 'float32'))
    }
    await model.ungraft()
  })

  for (const dtype of DTYPES) {
    test(`a ${dtype} target: what is in memory is what graft writes, bit for bit`, async () => {
      const folder = await stored(target, dtype)
      const live = await loadModel(folder, { dtype, threads: 1 })
      for (let round = 0; round < 4; round++) {
        const scale = 4 * draw() - 2
        await live.graft(delta, { scale })
        const written = await graftToFiles({ target: folder, scale })
        assert.deepEqual(await logits(live), await logitsOf(written, dtype), `scale ${scale}`)
      }
      await live.dispose()
    })
  }

  test('after a hundred grafts at random the way back is bit-exact, and no graft depends on those before it', async () => {
    const [plain, scale] = [await logits(model), 0.7]
    await model.graft(delta, { scale })
    const grafted = await logits(model)
    for (let round = 0; round < 100; round++) await model.graft(delta, { scale: 4 * draw() - 2 })
    await model.graft(delta, { scale })
    assert.deepEqual(await logits(model), grafted)
    assert.notDeepEqual(grafted, plain)
    await model.ungraft()
    assert.deepEqual(await logits(model), plain)
    await model.ungraft() // nothing to take off: nothing happens
    assert.deepEqual(await logits(model), plain)
  })

  test('a scale for each kind of module; kinds that are not named get 1', async () => {
    const { modules } = await graft({ target, ...delta, out: place('all') })
    const report = await model.graft(delta, { scale: { attention: 0, mlp: 0, norm: 0, embedding: 0 } })
    assert.equal(report.tensors_changed, modules.head.tensors)
    assert.equal(report.bytes_changed, 4 * modules.head.elements)
    const { tensors_shared } = await model.graft(delta, { scale: { head: 0 } })
    assert.ok(tensors_shared >= modules.head.tensors)
    await model.graft(delta, { scale: { attention: 1, mlp: 1, norm: 1, embedding: 1, head: 1, other: 1 } })
    const byKind = await logits(model)
    await model.graft(delta)
    assert.deepEqual(await logits(model), byKind)
    await model.ungraft()
  })

  test('calls that are running end on the weights they began with; later ones have the new', async () => {
    const prompts = [[1, 4, 9]]
    const options = { maxNewTokens: 150, temperature: 1, seed: 11, stopIds: [] }
    const alone = async () => (await model.generateIds(prompts, options))[0].ids
    const plain = await alone()
    await model.graft(delta, { scale: 1 })
    const grafted = await alone()
    assert.notDeepEqual(plain, grafted)
    await model.ungraft()
    for (const [swap, old, fresh] of [
      [() => model.graft(delta, { scale: 1 }), plain, grafted],
      [() => model.ungraft(), grafted, plain],
    ]) {
      let heard
      const first = new Promise((resolve) => {
        heard = resolve
      })
      const running = model.generateIds(prompts, { ...options, onToken: heard })
      await first
      await swap()
      const later = alone()
      assert.deepEqual((await running)[0].ids, old)
      assert.deepEqual(await later, fresh)
    }
  })

  test('swaps asked for at once come one after another, among scoring and generating calls', async () => {
    const scales = [0, 0.5, 1, -1]
    const known = []
    for (const scale of scales) {
      await model.graft(delta, { scale })
      known.push((await model.scoreIds(ROWS))[0].nll)
    }
    const calls = []
    for (let i = 0; i < 60; i++) {
      const pick = Math.floor(draw() * scales.length)
      calls.push(model.graft(delta, { scale: scales[pick] }).then(() => {}))
      calls.push(
        model
          .scoreIds(ROWS)
          .then(([{ nll }]) => assert.ok(known.includes(nll), 'weights of one graft alone')),
      )
      if (i % 10 === 0) calls.push(model.generateIds([[1, 2]], { maxNewTokens: 5 }).then(() => {}))
    }
    const last = model.graft(delta, { scale: scales[2] })
    await Promise.all([...calls, last])
    assert.equal((await model.scoreIds(ROWS))[0].nll, known[2])
    await model.ungraft()
  })

  test('weights are freed by the graft that replaces them, and by the way back: garbage collection is not waited for', async (t) => {
    const { mock } = t.mock.method(native(), 'dispose')
    for (let i = 0; i < 5; i++) await model.graft(delta, { scale: 1 + i })
    assert.equal(mock.callCount(), 5 + 4, 'opened deltas, and models')
    await model.ungraft()
    assert.equal(mock.callCount(), 10)
  })

  test('what fails or is stopped leaves the weights as they were', async () => {
    await model.graft(delta, { scale: 0.5 })
    const before = await logits(model)
    const other = await writeTinyModel(place('deep'), { layers: 3 })
    const reason = new Error('no more')
    const failures = [
      [() => model.graft({ base, chat: other }), { code: 'ERR_MISSING_TENSOR' }],
      [() => model.graft({ base: place('nowhere'), chat }), { code: 'ERR_NOT_FOUND' }],
      [
        () => model.graft(delta, { scale: Number.NaN }),
        { code: 'ERR_CONFIG', message: /^scale: .*expected a number/ },
      ],
      [
        () => model.graft(delta, { scale: { atention: 1 } }),
        { code: 'ERR_CONFIG', message: /^scale\.atention/, hint: "Did you mean 'attention'?" },
      ],
      [() => model.graft(delta, { signal: AbortSignal.abort(reason) }), reason],
      [
        () =>
          model.graft(delta, {
            onProgress: () => {
              throw reason
            },
          }),
        reason,
      ],
    ]
    for (const [failing, expected] of failures) await assert.rejects(failing(), expected)
    assert.deepEqual(await logits(model), before)
    await model.ungraft()
  })

  test('rows of another vocabulary are matched by token, as in files', async () => {
    const other = place('swapped')
    cpSync(chat, other, { recursive: true })
    const tokenizer = JSON.parse(readFileSync(join(other, 'tokenizer.json'), 'utf8'))
    const [a, b] = Object.keys(tokenizer.model.vocab).slice(-2)
    const { vocab } = tokenizer.model
    ;[vocab[a], vocab[b]] = [vocab[b], vocab[a]]
    writeFileSync(join(other, 'tokenizer.json'), JSON.stringify(tokenizer))
    const moved = { base, chat: other }
    const { out } = await graft({ target, ...moved, out: place('moved') })
    const written = await loadModel(out, { threads: 1 })
    await model.graft(moved)
    assert.deepEqual(await logits(model), await logits(written))
    await model.graft(delta)
    assert.notDeepEqual(await logits(model), await logits(written))
    await model.ungraft()
    await written.dispose()
  })

  test('control tokens that the model lacks are named and get no rows; all other rows are those of files', async () => {
    const untagged = place('untagged')
    cpSync(target, untagged, { recursive: true })
    const tokenizer = JSON.parse(readFileSync(join(untagged, 'tokenizer.json'), 'utf8'))
    const { vocab } = tokenizer.model
    vocab['never-said'] = vocab['<user>']
    delete vocab['<user>']
    tokenizer.added_tokens = tokenizer.added_tokens.filter(({ content }) => content !== '<user>')
    writeFileSync(join(untagged, 'tokenizer.json'), JSON.stringify(tokenizer))
    const live = await loadModel(untagged, { threads: 1 })
    const { tokens_missing } = await live.graft(delta)
    assert.deepEqual(tokens_missing, ['<user>'])
    const { out } = await graft({ target: untagged, ...delta, out: place('tagged') })
    const [own, files] = [await logits(live), await logitsOf(out)]
    const T = ROWS[0].length
    const [V, more] = [own.length / T, files.length / T]
    assert.equal(more, V + 1)
    for (let t = 0; t < T; t++)
      assert.deepEqual(own.slice(t * V, (t + 1) * V), files.slice(t * more, t * more + V))
    await live.dispose()
    assert.deepEqual((await model.graft(delta)).tokens_missing, [])
    await model.ungraft()
  })

  test('disposing waits for swaps, also those that wait for others, and refuses those that come later', async () => {
    const loaded = await loadModel(target, { threads: 1 })
    const swaps = [loaded.graft(delta), loaded.graft(delta)]
    const gone = loaded.dispose()
    for (const { tensors_changed } of await Promise.all(swaps)) assert.ok(tensors_changed > 0)
    await gone
    await assert.rejects(loaded.graft(delta), { code: 'ERR_DISPOSED' })
    await assert.rejects(loaded.ungraft(), { code: 'ERR_DISPOSED' })
    await assert.rejects(loaded.scoreIds(ROWS), { code: 'ERR_DISPOSED' })
  })

  test('a tied target takes deltas of tied models', async () => {
    const tied = ['t', 'b', 'c'].map((name) => place(`tied-${name}`))
    for (const [i, folder] of tied.entries()) await writeTinyModel(folder, { seed: i + 5, tied: true })
    const [target, base, chat] = tied
    const live = await loadModel(target, { threads: 1 })
    await live.graft({ base, chat }, { scale: 0.6 })
    const { out } = await graft({ target, base, chat, scale: 0.6, out: place('tied-out') })
    assert.deepEqual(await logits(live), await logitsOf(out))
    await live.dispose()
  })

  test('a tied target whose chat model has a head of its own gets one, and loses it on the way back', async () => {
    const tied = await writeTinyModel(place('to-untie'), { seed: 8, tied: true })
    const live = await loadModel(tied, { threads: 1 })
    const plain = await logits(live)
    await live.graft(delta, { scale: 0.6 })
    const { out, unties_head } = await graft({ target: tied, ...delta, scale: 0.6, out: place('untied-out') })
    assert.equal(unties_head, true)
    assert.deepEqual(await logits(live), await logitsOf(out))
    await live.ungraft()
    assert.deepEqual(await logits(live), plain)
    await live.dispose()
  })
})
