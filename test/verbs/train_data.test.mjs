// What a training run makes of its data: several sources, replay, broken records, and the cache behind them.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { train } from '#lib/verbs/train'
import { temporaryFolder } from '../helpers/folders.mjs'
import { tinyTraining } from '../helpers/tiny_training.mjs'
import { wordTokenizer } from '../helpers/tokenizers.mjs'

const home = temporaryFolder()
const config = { ...(await tinyTraining(home, { steps: 8 })), eval: undefined, accumulation: 1 }
const texts = readFileSync(join(home, 'train.txt'), 'utf8').split('\n\n')
const records = (list) => list.map((text) => `${JSON.stringify({ text })}\n`).join('')
const folder = join(home, 'folder')
mkdirSync(join(folder, 'deep'), { recursive: true })
writeFileSync(join(folder, 'a.txt'), texts.slice(0, 100).join('\n\n'))
writeFileSync(join(folder, 'b.jsonl.gz'), gzipSync(records(texts.slice(100, 200))))
const columnData = [{ name: 'text', data: texts.slice(200, 300), type: 'STRING' }]
writeFileSync(join(folder, 'deep/c.parquet'), Buffer.from(parquetWriteBuffer({ columnData })))
writeFileSync(join(folder, 'readme.rst'), 'not data')
const old = join(home, 'old.txt')
writeFileSync(old, texts.slice(300).join('\n\n'))
const broken = join(home, 'broken.jsonl')
writeFileSync(broken, `${records(texts.slice(0, 99))}nonsense\n`)

let runs = 0
const newRun = (changes = {}) => ({ ...config, ...changes, out: join(home, `run-${runs++}`) })
const weights = ({ out }) => readFileSync(join(out, 'model/model.safetensors'))
const dryRun = async (changes, options = {}) =>
  (await train(newRun(changes), { ...options, dryRun: true }).result).report.plan.data

test('a folder of text, packed JSON and Parquet is the text in it, and its statistics say so', async () => {
  const told = []
  const all = join(home, 'all.txt')
  writeFileSync(all, texts.slice(0, 300).join('\n\n'))
  const [mixed, plain] = [newRun({ data: [{ path: folder }] }), newRun({ data: [{ path: all }] })]
  const { report } = await train(mixed, { onWarning: (message) => told.push(message) }).result
  await train(plain).result
  assert.ok(weights(mixed).equals(weights(plain)))
  const { data } = report.plan
  const [source] = data.sources
  assert.deepEqual([source.path, source.files, source.formats], [folder, 3, ['text']])
  assert.deepEqual([source.documents, data.documents], [300, 300])
  assert.equal(source.characters, texts.slice(0, 300).join('').length)
  assert.ok(Math.abs(source.tokens_per_character - source.tokens / source.characters) < 1e-12)
  assert.deepEqual([source.share, source.skipped, source.cached], [1, 0, false])
  assert.equal(told.length, 1)
  assert.match(told[0], /files of other kinds are left out: .*readme\.rst/)
})

test('a tokenizer whose largest id has no row in the model is refused, however few its tokens', async () => {
  const tokenizer = join(home, 'sparse')
  mkdirSync(tokenizer)
  const write = (largest) =>
    writeFileSync(join(tokenizer, 'tokenizer.json'), wordTokenizer({ the: 0, a: 1, is: largest }))
  const { vocab_size } = config.init
  write(vocab_size - 1)
  assert.ok((await dryRun({ tokenizer })).documents > 0)
  write(vocab_size)
  await assert.rejects(dryRun({ tokenizer }), {
    code: 'ERR_VOCABULARY',
    message: `${tokenizer}: expected ids below vocab_size = ${vocab_size}, found ${vocab_size} in tokenizer.json`,
  })
})

test('weights and replay show in the shares', async () => {
  const data = await dryRun({
    data: [{ path: join(folder, 'a.txt'), weight: 1.5 }, { path: join(folder, 'deep/*.parquet') }],
    replay: [{ path: old, share: 0.2 }],
  })
  assert.equal(data.documents, 250)
  const [a, b] = data.sources
  assert.ok(Math.abs(a.share + b.share - 0.8) < 1e-9)
  assert.ok(Math.abs(a.share / b.share - (1.5 * a.tokens) / b.tokens) < 0.05)
  assert.equal(data.replay[0].share, 0.2)
})

test('with replay a run stops and goes on as if it had not, also when the cache is gone meanwhile', async () => {
  const cache = join(home, 'cache')
  const changes = { data: [{ path: folder }], replay: [{ path: old, share: 0.3 }], data_cache: cache }
  const whole = newRun(changes)
  await train(whole).result
  const without = newRun({ ...changes, replay: undefined })
  await train(without).result
  assert.ok(!weights(whole).equals(weights(without)))

  const stopped = newRun(changes)
  const stop = new AbortController()
  const run = train(stopped, { signal: stop.signal })
  await assert.rejects(async () => {
    for await (const { step } of run) if (step === 3) stop.abort(new Error('enough'))
  }, /enough/)
  rmSync(cache, { recursive: true })
  const { report } = await train({ ...stopped, data_cache: join(home, 'other-cache') }, { resume: true })
    .result
  assert.ok(report.resumed_from > 0)
  assert.ok(weights(stopped).equals(weights(whole)))
})

test('broken records end a run, or are left out and told', async () => {
  const data = (more) => ({ data: [{ path: broken, ...more }] })
  await assert.rejects(dryRun(data()), {
    code: 'ERR_DATA',
    message: /broken\.jsonl:100: expected a JSON object/,
  })
  await assert.rejects(
    dryRun(data({ invalid: 'skip', max_invalid: 0.001 })),
    /1 of 100 records cannot be read/,
  )
  const told = []
  const { skipped, documents } = await dryRun(data({ invalid: 'skip' }), {
    onWarning: (message) => told.push(message),
  })
  assert.deepEqual([skipped, documents], [1, 99])
  assert.match(told[0], /1 of 100 records are left out; the first: .*broken\.jsonl:100/)
})

test('shares that leave nothing to the data are refused', async () => {
  const replay = [
    { path: old, share: 0.5 },
    { path: old, share: 0.5 },
  ]
  await assert.rejects(dryRun({ replay }), {
    code: 'ERR_CONFIG',
    message: /replay: expected shares that sum to less than 1/,
  })
  await assert.rejects(dryRun({ replay: [{ path: old }] }), {
    code: 'ERR_CONFIG',
    message: /replay\.0\.share/,
  })
})
