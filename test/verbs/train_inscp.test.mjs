// InsCP: what the starting model says of the documents, the filter by it, and ends of turns that are learnt.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { loadModel } from 'tongueforge'
import { train } from '#lib/verbs/train'
import { readLogProbs } from '#lib/verbs/training/log_probs_file'
import { tokenId } from '#lib/world/tokenizer'
import { World } from '#lib/world/world'
import { temporaryFolder } from '../helpers/folders.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const weights = (out) => readFileSync(join(out, 'model', 'model.safetensors'))
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'))
const sum = (list) => list.reduce((total, value) => total + value, 0)

describe('inscp', () => {
  const root = temporaryFolder()
  const model = join(root, 'start')
  const [texts, more, first, second] = ['texts', 'more', 'first', 'second'].map((name) =>
    join(root, `${name}.jsonl`),
  )
  const write = (file, list) =>
    writeFileSync(file, list.map((text) => `${JSON.stringify({ text })}\n`).join(''))
  let made = 0
  const config = (changes = {}) => ({
    objective: 'inscp',
    model,
    out: join(root, `run-${made++}`),
    data: [{ path: texts }],
    data_cache: join(root, 'cache'),
    sequence_length: 24,
    batch_size: 4,
    steps: 4,
    schedule: { warmup: 1 },
    threads: 1,
    ...changes,
  })
  const run = async (options, more) => ({ ...(await train(options, more).result), out: options.out })
  const documents = []
  /** Of each document, by the logits of the model, one at a time and without any of what is tested. */
  let byHand

  before(async () => {
    await writeTinyModel(model)
    const world = new World(1)
    const facts = world.questions('fact').map(({ answer }) => answer)
    // Some longer than a row.
    documents.push(
      ...facts,
      ...facts.slice(0, 8).map((text, i) =>
        Array(2 + i)
          .fill(text)
          .join(' '),
      ),
    )
    write(texts, documents)
    write(first, documents.slice(0, 10))
    write(second, documents.slice(10))
    write(
      more,
      world.questions('list').map(({ answer }) => answer),
    )
    byHand = await perplexities(model, documents)
  })

  /** A limit that so many documents do not exceed, with room for rounding. */
  const keeping = (count) =>
    byHand.map(({ perplexity }) => perplexity).sort((a, b) => a - b)[count - 1] * (1 + 1e-6)

  async function perplexities(folder, list, rowLength = 24) {
    const loaded = await loadModel(folder, { threads: 1 })
    const found = []
    for (const text of list) {
      const body = text.split(' ').map(tokenId)
      const ids = [1, 2, 4, 3, ...body, 4] // <bos> <user> <eot> <assistant> TEXT <eot>
      let [nll, count] = [0, 0]
      for (let from = 0; from < ids.length - 1; from += rowLength - 1) {
        const part = ids.slice(from, from + rowLength)
        const { data, shape } = await loaded.logits([part])
        for (let i = 1; i < part.length; i++) {
          if (from + i < 4 || from + i === ids.length - 1) continue
          const row = data.subarray((i - 1) * shape[2], i * shape[2])
          const largest = Math.max(...row)
          nll += largest + Math.log(sum([...row].map((x) => Math.exp(x - largest)))) - row[part[i]]
          count++
        }
      }
      found.push({ perplexity: Math.exp(nll / count), nll, count, tokens: ids.length })
    }
    await loaded.dispose()
    return found
  }

  async function inFile({ out }) {
    const file = join(out, 'perplexity.bin')
    const { key } = JSON.parse(readFileSync(file, 'latin1').split('\n', 1)[0])
    const { sums, counts } = await readLogProbs(file, key)
    return Array.from(sums, (value, i) => Math.exp(-value / counts[i]))
  }

  test('the perplexity of each document is that of its own text, by hand', async () => {
    const done = await run(config())
    const measured = await inFile(done)
    assert.equal(measured.length, documents.length)
    for (const [i, value] of measured.entries()) {
      const { perplexity } = byHand[i]
      assert.ok(Math.abs(value - perplexity) < 1e-4 * perplexity, `document ${i}: ${value}, ${perplexity}`)
    }
    const { perplexity } = done.report
    assert.deepEqual([perplexity.documents, perplexity.tokens], [72, sum(byHand.map(({ tokens }) => tokens))])
    const overall = Math.exp(sum(byHand.map(({ nll }) => nll)) / sum(byHand.map(({ count }) => count)))
    assert.ok(Math.abs(perplexity.overall / overall - 1) < 1e-4)
    assert.equal(done.report.plan.data.sources[0].perplexity, perplexity.overall)
    const sorted = [...measured].sort((a, b) => a - b)
    assert.equal(perplexity.quantiles.p50, sorted[35])
    assert.equal(perplexity.quantiles.p95, sorted[Math.ceil(0.95 * 72) - 1])
    assert.equal(sum(perplexity.histogram.map((bin) => bin.documents)), 72)
    assert.equal(perplexity.max_perplexity, undefined)
    assert.deepEqual(json(done.out, 'report.json').perplexity, perplexity)
    assert.match(
      readFileSync(join(done.out, 'perplexity.svg'), 'utf8'),
      /72 documents under the starting model/,
    )
  })

  test('it does not depend on what is learnt, on the seed, the batch or the neighbours', async () => {
    const expected = await inFile(await run(config({ steps: 1 })))
    const same = async (changes, numbers) => {
      const found = await inFile(await run(config({ steps: 1, ...changes })))
      for (const [i, value] of found.entries())
        assert.ok(Math.abs(value / expected[numbers?.[i] ?? i] - 1) < 1e-5, JSON.stringify(changes))
    }
    await same({ inscp: { loss: 'body' } })
    await same({ seed: 9 })
    await same({ batch_size: 3 })
    const data = [
      { path: second, weight: 0.5 },
      { path: first, weight: 2 },
    ]
    await same({ data }, [...documents.keys()].slice(10).concat([...documents.keys()].slice(0, 10)))
  })

  test('a filter trains on the documents below it, byte for byte as on a file of them', async () => {
    const limit = keeping(41)
    const stays = byHand.map(({ perplexity }) => perplexity <= limit)
    const kept = documents.filter((_, i) => stays[i])
    write(join(root, 'kept.jsonl'), kept)
    const heard = []
    const parts = { data: [{ path: first }, { path: second }] }
    const filtered = await run(config({ ...parts, inscp: { max_perplexity: limit } }), {
      onNote: (line) => heard.push(line),
    })
    const plain = await run(config({ data: [{ path: join(root, 'kept.jsonl') }] }))
    assert.ok(weights(filtered.out).equals(weights(plain.out)))
    const { perplexity, plan } = filtered.report
    const tokens = sum(byHand.filter((_, i) => stays[i]).map((one) => one.tokens))
    assert.deepEqual(
      [perplexity.max_perplexity, perplexity.kept_documents, perplexity.kept_tokens],
      [limit, kept.length, tokens],
    )
    assert.deepEqual([plan.data.documents, plan.data.tokens], [kept.length, tokens])
    for (const [i, [from, to]] of [
      [0, 10],
      [10, 72],
    ].entries()) {
      const here = byHand.slice(from, to).filter((_, at) => stays[from + at])
      const { documents: count, kept_documents, kept_tokens } = plan.data.sources[i]
      assert.deepEqual(
        [count, kept_documents, kept_tokens],
        [to - from, here.length, sum(here.map((one) => one.tokens))],
      )
    }
    assert.match(heard.join('\n'), /perplexity of 72 documents .* keeps 41 of them/)
  })

  test('a filter that nothing exceeds changes no byte; more is kept the higher it is', async () => {
    const none = await run(config())
    const highest = Math.max(...(await inFile(none)))
    const just = await run(config({ inscp: { max_perplexity: highest } }))
    assert.equal(just.report.perplexity.kept_documents, 72, 'what is not above it stays')
    const all = await run(config({ inscp: { max_perplexity: 1e300 } }))
    assert.ok(weights(none.out).equals(weights(all.out)))
    assert.equal(all.report.perplexity.kept_documents, 72)
    let before = 0
    for (let count = 18; count <= 72; count += 9) {
      const options = config({ inscp: { max_perplexity: keeping(count) } })
      const { report } = await run(options, { dryRun: true })
      assert.equal(report.perplexity.kept_documents, count)
      assert.ok(report.perplexity.kept_tokens > before)
      before = report.perplexity.kept_tokens
    }
  })

  test('a filter that keeps hardly anything is an error; the value that it names keeps half', async () => {
    const lowest = Math.min(...byHand.map(({ perplexity }) => perplexity))
    const options = config({ inscp: { max_perplexity: lowest } })
    const error = await run(options).catch((thrown) => thrown)
    assert.equal(error.code, 'ERR_DATA')
    assert.match(
      error.message,
      /inscp\.max_perplexity: expected a value that keeps at least 10 % of the tokens/,
    )
    assert.match(error.message, /keeps \d+ of \d+ \([\d.]+ %\)/)
    const { keeps_half } = error.details
    assert.ok(error.hint.startsWith(`max_perplexity: ${keeps_half} would keep half of them.`), error.hint)
    assert.ok(!existsSync(options.out), 'nothing is left in the way of another try')
    const { report } = await run({ ...options, inscp: { max_perplexity: keeps_half } })
    const { kept_tokens, tokens } = report.perplexity
    assert.ok(kept_tokens >= tokens / 2 && kept_tokens < 0.65 * tokens, `${kept_tokens} of ${tokens}`)
  })

  test('stopped and resumed is never stopped, and nothing is measured again, though the cache is gone', async () => {
    const median = keeping(37)
    const data_cache = join(root, 'lost')
    const changes = {
      steps: 9,
      checkpoint: { every: 3, keep: 1 },
      inscp: { max_perplexity: median },
      data_cache,
    }
    const undisturbed = await run(config(changes))
    const options = config(changes)
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const { step } of train(options, { signal: stop.signal })) if (step >= 4) stop.abort()
    })
    rmSync(data_cache, { recursive: true })
    const heard = []
    const onProgress = ({ label }) => heard.push(label)
    await run(options, { resume: true, onProgress })
    assert.deepEqual(heard, [])
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
    // Damaged, it is measured again, and the same is found.
    rmSync(join(options.out, 'model'), { recursive: true })
    rmSync(data_cache, { recursive: true })
    writeFileSync(join(options.out, 'perplexity.bin'), 'nonsense')
    await run(options, { resume: true, onProgress })
    assert.deepEqual([...new Set(heard)], ['perplexity'])
    assert.ok(weights(options.out).equals(weights(undisturbed.out)))
    await assert.rejects(run({ ...options, inscp: { max_perplexity: 2 * median } }, { resume: true }), {
      code: 'ERR_CHECKPOINT',
    })
  })

  test('a dry run measures where a filter is set; the run after it, with another filter, does not again', async () => {
    const data_cache = join(root, 'dry')
    const heard = []
    const onProgress = ({ label }) => heard.push(label)
    const plain = await run(config({ data_cache }), { dryRun: true, onProgress })
    assert.deepEqual([heard, plain.report.perplexity], [[], undefined])
    const filter = { inscp: { max_perplexity: 1e6 }, data_cache }
    const { report, out } = await run(config(filter), { dryRun: true, onProgress })
    assert.equal(report.perplexity.documents, 72)
    assert.ok(heard.length > 0 && !existsSync(out))
    heard.length = 0
    const other = await run(config({ ...filter, inscp: { max_perplexity: 1e5 } }), { onProgress })
    assert.deepEqual(heard, [])
    assert.ok(other.report.plan.data.sources[0].cached, 'nor is it encoded again')
  })

  test('a sample is measured where so many are asked for, and named as one', async () => {
    const found = await run(
      config({ inscp: { perplexity_sample: 10 }, data: [{ path: texts }, { path: more }] }),
    )
    assert.deepEqual([found.report.perplexity.documents, found.report.perplexity.sampled_from], [10, 76])
    const values = await inFile(found)
    assert.equal(values.length, 10)
    const other = { seed: 7, inscp: { perplexity_sample: 10 }, data: [{ path: texts }, { path: more }] }
    assert.deepEqual(await inFile(await run(config(other))), values, 'the same, whatever the seed')
    await assert.rejects(run(config({ inscp: { perplexity_sample: 10, max_perplexity: 20 } })), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /inscp\.perplexity_sample: expected nothing beside max_perplexity/)
      assert.match(error.hint, /A filter measures every document/)
      return true
    })
  })

  test('neither replayed nor held-out documents are measured or left out', async () => {
    const median = keeping(37)
    const { report } = await run(
      config({
        inscp: { max_perplexity: median },
        replay: [{ path: texts, share: 0.3 }],
        eval: { every: 10, data: [{ path: texts }] },
      }),
    )
    const { data, held_out } = report.plan
    assert.equal(data.sources[0].kept_documents, 37)
    for (const one of [data.replay[0], held_out.sources[0]])
      assert.deepEqual([one.documents, one.perplexity, one.kept_documents], [72, undefined, undefined])
    assert.equal(held_out.documents, 72)
  })

  test('an adapter that is trained on is part of the model that measures', async () => {
    const lora = { rank: 4, targets: ['q_proj', 'v_proj'] }
    const first = await run(config({ lora, steps: 6, optimizer: { lr: 1e-2 }, schedule: { warmup: 0 } }))
    const second = await run(config({ adapter: first.adapter, lora: {}, steps: 1 }))
    const merged = await perplexities(first.model, documents)
    for (const [i, value] of (await inFile(second)).entries())
      assert.ok(Math.abs(value / merged[i].perplexity - 1) < 1e-3, `document ${i}`)
    assert.notEqual(first.report.perplexity.overall, second.report.perplexity.overall)
  })

  test('random weights know no text: that is said, and a filter is refused', async () => {
    const init = json(model, 'config.json')
    const start = { model: undefined, init, tokenizer: model, steps: 1 }
    const heard = []
    const { report, out } = await run(config(start), { onNote: (line) => heard.push(line) })
    assert.deepEqual([report.perplexity, existsSync(join(out, 'perplexity.svg'))], [undefined, false])
    assert.match(heard.join('\n'), /no perplexity is measured: random weights/)
    await assert.rejects(run(config({ ...start, inscp: { max_perplexity: 15 } })), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /inscp\.max_perplexity: expected model beside it, received init/)
      assert.match(error.hint, /model: FOLDER/)
      return true
    })
    await assert.rejects(
      run(config({ inscp: { max_perplexity: 0.5 } })),
      /expected a number from 1, received 0\.5/,
    )
  })

  test('stopped while it measures, a run rejects with the reason; the next one goes on from there', async () => {
    const kept = ({ out }) => readFileSync(join(out, 'perplexity.bin'))
    const undisturbed = await run(config())
    const options = config({ data_cache: join(root, 'stopped') })
    const stop = new AbortController()
    const reason = new Error('enough')
    const stopAt = ({ done }) => done >= 16 && stop.abort(reason)
    await assert.rejects(train(options, { signal: stop.signal, onProgress: stopAt }).result, reason)
    assert.ok(!existsSync(options.out))
    const heard = []
    const whole = await run(options, { onProgress: ({ done }) => heard.push(done) })
    assert.equal(heard[0], 20, 'rows 0 to 15 were known')
    assert.ok(kept(whole).equals(kept(undisturbed)))
    assert.deepEqual(
      readdirSync(join(root, 'stopped', 'log_probs')).filter((name) => !name.endsWith('.bin')),
      [],
    )
  })

  test('an earlier run is replaced by one with files of its own', async () => {
    const options = config({ steps: 1 })
    const first = await run(options)
    const again = await run({ ...options, data: [{ path: more }] }, { overwrite: true })
    assert.deepEqual([first.report.perplexity.documents, again.report.perplexity.documents], [72, 4])
    assert.equal((await inFile(again)).length, 4)
    assert.match(readFileSync(join(options.out, 'perplexity.svg'), 'utf8'), />4 documents under/)
  })

  test('with other threads, which may change the last bits, a new run measures anew and a resumed one does not', async () => {
    const heard = []
    const onProgress = ({ label }) => heard.push(label)
    const changes = { data_cache: join(root, 'threads'), steps: 6, checkpoint: { every: 2, keep: 1 } }
    const options = config(changes)
    const stop = new AbortController()
    await assert.rejects(async () => {
      for await (const { step } of train(options, { signal: stop.signal })) if (step === 3) stop.abort()
    })
    await run({ ...options, threads: 2 }, { resume: true, onProgress })
    assert.deepEqual(heard, [])
    await run(config({ ...changes, threads: 2 }), { onProgress })
    assert.ok(heard.length > 0)
  })

  test('weights that are no numbers are an error that says so', async () => {
    const broken = await writeTinyModel(join(root, 'broken'))
    const file = join(broken, 'model.safetensors')
    const bytes = readFileSync(file)
    const { data_offsets } = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())))[
      'model.norm.weight'
    ]
    bytes.writeFloatLE(Number.NaN, 8 + Number(bytes.readBigUInt64LE()) + data_offsets[0])
    writeFileSync(file, bytes)
    await assert.rejects(run(config({ model: broken })), (error) => {
      assert.equal(error.code, 'ERR_NON_FINITE')
      assert.match(
        error.message,
        /perplexity: expected log-probabilities under the starting model, received NaN/,
      )
      assert.match(error.hint, /dtype: float32/)
      return true
    })
  })

  test('nothing half written is left in the cache', () => {
    assert.ok(readdirSync(join(root, 'cache', 'log_probs')).every((name) => /^[0-9a-f]{64}\.bin$/.test(name)))
  })
})
