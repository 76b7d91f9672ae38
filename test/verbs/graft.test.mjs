// The laws of a graft on whole model folders. test/native/merge has them for the arithmetic alone.
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { graft, inspect, loadModel } from 'tongueforge'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'
import { largestExcess } from '../helpers/ulp.mjs'

const weights = (folder) => readFileSync(join(folder, 'model.safetensors'))
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

/** Exchanges two rows of embedding and head. */
function swapRows(file, one, two) {
  const bytes = readFileSync(file)
  const data = 8 + Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, data))
  for (const name of ['model.embed_tokens.weight', 'lm_head.weight']) {
    const { shape, data_offsets } = header[name]
    const width = shape[1] * 4
    const [first, second] = [one, two].map((row) => data + data_offsets[0] + row * width)
    const kept = Buffer.from(bytes.subarray(first, first + width))
    bytes.copy(bytes, first, second, second + width)
    kept.copy(bytes, second)
  }
  writeFileSync(file, bytes)
}

describe('graft', () => {
  const root = temporaryFolder()
  const [base, chat, target] = ['base', 'chat', 'target'].map((name) => join(root, name))
  let made = 0
  const out = () => join(root, `out-${made++}`)

  before(async () => {
    for (const [i, folder] of [base, chat, target].entries()) await writeTinyModel(folder, { seed: i + 1 })
  })

  test('at scale 0 the weight file is the target, byte for byte', async () => {
    const { out: result } = await graft({ target, base, chat, scale: 0, out: out() })
    assert.ok(weights(result).equals(weights(target)))
  })

  test('with base = chat the weight file is the target at any scale', async () => {
    for (const scale of [-1, 0.3, 1, 7]) {
      const { out: result, ...report } = await graft({ target, base: chat, chat, scale, out: out() })
      assert.ok(weights(result).equals(weights(target)), `scale ${scale}`)
      assert.equal(report.tensors_changed, 0)
    }
  })

  test('with target = base and scale 1 every weight is within (ulp(d) + ulp(out)) / 2 of chat', async () => {
    const { out: result } = await graft({ target: base, base, chat, out: out() })
    const files = [result, base, chat].map((folder) => join(folder, 'model.safetensors'))
    assert.ok(largestExcess(...files) <= 1)
  })

  test('every weight is target + scale * (chat - base), rounded as defined', async () => {
    const scale = 0.7
    const { out: result } = await graft({ target, base, chat, scale, out: out() })
    const [got, t, b, c] = [result, target, base, chat].map((folder) =>
      readArrays(join(folder, 'model.safetensors')),
    )
    for (const name of Object.keys(t)) {
      const expected = t[name].data.map(
        (value, i) => value + Math.fround(scale) * Math.fround(c[name].data[i] - b[name].data[i]),
      )
      assert.deepEqual(got[name].data, expected, name)
    }
  })

  test('the result takes vocabulary and config from the target, template and end of turn from the chat model', async () => {
    const mannered = join(root, 'mannered')
    cpSync(chat, mannered, { recursive: true })
    writeFileSync(join(mannered, 'chat_template.jinja'), '{{ messages[0].content }}<eot>')
    writeFileSync(
      join(mannered, 'generation_config.json'),
      JSON.stringify({ eos_token_id: [4], temperature: 0.6 }),
    )
    const { out: result } = await graft({ target, base, chat: mannered, out: out() })
    assert.equal(readFileSync(join(result, 'chat_template.jinja'), 'utf8'), '{{ messages[0].content }}<eot>')
    assert.equal(json(result, 'generation_config.json').eos_token_id, 4)
    assert.equal(json(result, 'generation_config.json').temperature, 0.6)
    assert.equal(json(result, 'config.json').eos_token_id, 4)
    assert.deepEqual(json(result, 'tokenizer.json'), json(target, 'tokenizer.json'))
    const model = await loadModel(result)
    assert.deepEqual(await model.stopIds(), [4])
    await model.dispose()
  })

  test('the result tells its origin: hashes, numbers, the config that ran', async () => {
    const { out: result } = await graft({ target, base, chat, scale: 0.5, out: out() })
    const { provenance } = await inspect(result)
    assert.deepEqual(
      provenance.inputs.map(({ role }) => role),
      ['target', 'base', 'chat'],
    )
    for (const { files } of provenance.inputs) assert.match(files[0].sha256, /^[0-9a-f]{64}$/)
    assert.equal(json(result, 'report.json').scale, 0.5)
    assert.match(readFileSync(join(result, 'resolved.yaml'), 'utf8'), /verb: graft/)
    assert.match(readFileSync(join(result, 'README.md'), 'utf8'), /library_name: transformers/)
  })

  test('shards that are links, as in a hub cache, are read, and the real paths recorded', async () => {
    const linked = join(root, 'linked')
    cpSync(chat, linked, { recursive: true })
    const real = join(root, 'blob')
    cpSync(join(chat, 'model.safetensors'), real)
    const link = join(linked, 'model.safetensors')
    rmSync(link)
    symlinkSync(real, link)
    const { out: result } = await graft({ target, base, chat: linked, out: out() })
    assert.equal(json(result, 'provenance.json').inputs[2].files[0].real_path, real)
  })

  test('rows are matched by token: a chat model with two of them in other rows gives the same result', async () => {
    const other = join(root, 'other')
    cpSync(chat, other, { recursive: true })
    const tokenizer = json(other, 'tokenizer.json')
    const { vocab } = tokenizer.model
    const [one, two] = Object.keys(vocab).slice(-2)
    ;[vocab[one], vocab[two]] = [vocab[two], vocab[one]]
    writeFileSync(join(other, 'tokenizer.json'), JSON.stringify(tokenizer))
    swapRows(join(other, 'model.safetensors'), vocab[one], vocab[two])
    const plain = await graft({ target, base, chat, scale: 0.6, out: out() })
    const { vocabulary, ...moved } = await graft({ target, base, chat: other, scale: 0.6, out: out() })
    assert.equal(vocabulary.identical, false)
    assert.ok(weights(moved.out).equals(weights(plain.out)))
  })

  test('models of other shapes are refused with the tensor and both shapes', async () => {
    const wide = await writeTinyModel(join(root, 'wide'), { width: 64 })
    await assert.rejects(graft({ target, base, chat: wide, out: out() }), (error) => {
      assert.match(error.code, /ERR_SHAPE_MISMATCH|ERR_VOCABULARY/)
      assert.match(error.message, /32/)
      assert.match(error.message, /64/)
      return true
    })
  })

  test('an existing folder is kept unless overwrite is set; an output that is an input never goes', async () => {
    const place = out()
    await graft({ target, base, chat, out: place })
    await assert.rejects(graft({ target, base, chat, out: place }), { code: 'ERR_EXISTS' })
    await graft({ target, base, chat, out: place, overwrite: true })
    await assert.rejects(graft({ target, base, chat, out: target, overwrite: true }), { code: 'ERR_USAGE' })
    assert.ok(existsSync(join(target, 'model.safetensors')))
  })

  test('a dry run tells bytes and writes nothing', async () => {
    const place = out()
    const report = await graft({ target, base, chat, out: place, dryRun: true })
    assert.equal(report.dry_run, true)
    assert.equal(report.bytes_to_read, 3 * (await inspect(target)).bytes)
    assert.equal(report.bytes_to_write, statSync(join(target, 'model.safetensors')).size)
    assert.ok(!existsSync(place))
    const [reason, stop] = [new Error('enough'), new AbortController()]
    stop.abort(reason)
    const given = { target, base, chat, out: place, dryRun: true }
    await assert.rejects(graft(given, { signal: stop.signal }), (error) => error === reason)
  })

  test('a dry run refuses the place that a run would refuse', async () => {
    const place = out()
    await graft({ target, base, chat, out: place })
    await assert.rejects(graft({ target, base, chat, out: place, dryRun: true }), { code: 'ERR_EXISTS' })
    await assert.rejects(graft({ target, base, chat, out: target, overwrite: true, dryRun: true }), {
      code: 'ERR_USAGE',
    })
    assert.equal(
      (await graft({ target, base, chat, out: place, dryRun: true, overwrite: true })).dry_run,
      true,
    )
  })

  test('nothing hidden is left beside the results', () => {
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('.')),
      [],
    )
  })

  dataTest(
    'stories260K grafted with itself keeps its bytes at every scale',
    'models/stories260K_hf',
    async (_t, model) => {
      for (const scale of [-0.5, 0, 0.25, 1, 3]) {
        const { out: result } = await graft({ target: model, base: model, chat: model, scale, out: out() })
        assert.ok(weights(result).equals(weights(model)), `scale ${scale}`)
      }
    },
  )
})
