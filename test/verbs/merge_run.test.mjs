// A merge by config as work that is done: its record, a dry run, progress, an abort, --resume, the command.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { merge, verify } from 'tongueforge'
import { parseYaml } from '#lib/config/parse'
import { cli } from '../helpers/cli.mjs'
import { json, linear, tinyMerges, weights } from '../helpers/tiny_merges.mjs'

const { root, a, b, c, out, run } = await tinyMerges()

test('resolved.yaml is the config with its defaults, and gives the same bytes', async () => {
  const { out: folder } = await run(linear([{ model: a }, { model: b }], { tokenizer: { source: 'base' } }))
  const file = join(folder, 'resolved.yaml')
  const resolved = parseYaml(readFileSync(file, 'utf8'), file)
  assert.equal(Object.keys(resolved)[0], 'verb')
  assert.equal(resolved.seed, 0)
  assert.equal(resolved.models[0].model, a)
  const again = await run(file)
  assert.ok(weights(again.out).equals(weights(folder)))
})

test('the result tells its origin, and takes the small files of base_model, else of the first model', async () => {
  const { out: folder } = await run(linear([{ model: a }, { model: b }]))
  const { inputs, numerics } = json(folder, 'provenance.json')
  assert.deepEqual(
    inputs.map(({ role, path }) => [role, path]),
    [
      ['model 1', a],
      ['model 2', b],
    ],
  )
  for (const { files } of inputs) assert.match(files[0].sha256, /^[0-9a-f]{64}$/)
  assert.match(numerics.arithmetic, /one rounding/)
  assert.equal(json(folder, 'report.json').method, 'linear')
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    assert.equal(readFileSync(join(folder, name), 'utf8'), readFileSync(join(a, name), 'utf8'), name)
  assert.match(readFileSync(join(folder, 'README.md'), 'utf8'), /2 models merged by linear/)
})

test('verify makes the weights again from resolved.yaml, and finds a changed byte', async () => {
  const config = {
    merge_method: 'dare_ties',
    base_model: c,
    models: [{ model: a }, { model: b }],
    parameters: { weight: 0.5, density: 0.5 },
    dtype: 'bfloat16',
  }
  const { out: folder } = await run(config)
  const { ok, notes, chunks_checked } = await verify(folder, { chunks: Number.POSITIVE_INFINITY })
  assert.deepEqual([ok, notes], [true, []])
  assert.ok(chunks_checked > 0)
  const bytes = weights(folder)
  bytes[bytes.length - 5] ^= 1
  writeFileSync(join(folder, 'model.safetensors'), bytes)
  const changed = await verify(folder, { chunks: Number.POSITIVE_INFINITY })
  assert.equal(changed.ok, false)
  assert.equal(changed.mismatches.length, 1)
})
test('a dry run tells the plan and writes nothing', async () => {
  const place = out()
  const report = await merge(linear([{ model: a }, { model: b }]), { out: place, dryRun: true })
  const { bytes_to_read, bytes_to_write, peak_memory_bytes, shards, dry_run } = report
  assert.ok(!existsSync(place))
  assert.equal(dry_run, true)
  assert.equal(bytes_to_write, weights(a).length)
  assert.ok(bytes_to_read > 1.9 * bytes_to_write && bytes_to_read < 2 * bytes_to_write)
  assert.ok(peak_memory_bytes > 0)
  assert.equal(shards, 1)
})

test('progress ends at its total, and an aborted merge leaves nothing', async () => {
  let last
  await run(linear([{ model: a }, { model: b }]), { onProgress: (progress) => (last = progress) })
  assert.equal(last.done_bytes, last.total_bytes)
  const stop = new AbortController()
  const reason = new Error('enough')
  const place = out()
  const signal = stop.signal
  await assert.rejects(
    merge(linear([{ model: a }, { model: b }]), {
      out: place,
      signal,
      onProgress: () => stop.abort(reason),
    }),
    reason,
  )
  assert.ok(!existsSync(place))
  assert.ok(!readdirSync(root).some((name) => name.startsWith('.tmp-')))
})

test('a merge that was stopped goes on with --resume, to the same bytes', async () => {
  const config = linear([{ model: a }, { model: b }], { shard_size: '100kB' })
  const whole = await run(config)
  const place = out()
  const stop = new AbortController()
  await assert.rejects(
    merge(config, { out: place, resume: true, signal: stop.signal, onProgress: () => stop.abort() }),
  )
  assert.ok(!existsSync(place))
  const resumed = await merge(config, { out: place, resume: true })
  for (const name of readdirSync(whole.out).filter((file) => file.includes('safetensors')))
    assert.ok(readFileSync(join(place, name)).equals(readFileSync(join(whole.out, name))), name)
  assert.equal(resumed.bytes_written, whole.bytes_written)
  assert.ok(!readdirSync(root).some((name) => name.startsWith('.tmp-')))
})

test('the command prints the report, and leaves a config that is wrong with exit code 2', async () => {
  const file = join(root, 'm.yaml')
  writeFileSync(
    file,
    `merge_method: linear\nparameters: { weight: 1 }\nmodels: [{ model: ${a} }, { model: ${b} }]\n`,
  )
  const place = out()
  const done = await cli(['merge', file, place, '--json'])
  assert.equal(done.code, 0, done.err)
  assert.equal(JSON.parse(done.out).out, place)
  assert.ok(existsSync(join(place, 'model.safetensors')))
  writeFileSync(file, 'merge_method: linear\nmodls: []\n')
  const wrong = await cli(['merge', file, out(), '--json'])
  assert.equal(wrong.code, 2)
  const { error } = JSON.parse(wrong.out)
  assert.equal(error.hint, "Did you mean 'models'?")
})
