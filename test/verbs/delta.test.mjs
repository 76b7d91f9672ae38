// Deltas as folders: what they hold, and that adding one is the graft. test/native/merge has the laws of the formats.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { applyDelta, extractDelta, graft, inspectDelta, verify } from 'tongueforge'
import { openDelta } from '#lib/checkpoint/delta_folder'
import { openModelFolder } from '#lib/checkpoint/model_folder'
import { checkDescent } from '#lib/verbs/grafting/descent'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays } from '../helpers/safetensors.mjs'
import { scaleEmbeddingRow, writeDescendant, writeTinyModel } from '../helpers/tiny_model.mjs'
import { CASES, writeCase } from '../helpers/vocabulary_models.mjs'

const FORMATS = ['dense', 'topk', 'lowrank', 'int8', 'int4']
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const arrays = (folder) => readArrays(join(folder, 'model.safetensors'))
/** But for what tells where they come from. */
function assertSameFiles(a, b) {
  assert.deepEqual(readdirSync(a).sort(), readdirSync(b).sort())
  for (const name of readdirSync(a)) {
    if (['README.md', 'resolved.yaml', 'provenance.json', 'report.json'].includes(name)) continue
    assert.ok(readFileSync(join(a, name)).equals(readFileSync(join(b, name))), name)
  }
}
const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

describe('delta', () => {
  const root = temporaryFolder()
  const [base, chat, target, stranger] = ['base', 'chat', 'target', 'stranger'].map((name) =>
    join(root, name),
  )
  let made = 0
  const out = () => join(root, `out-${made++}`)

  before(async () => {
    await writeTinyModel(base, { seed: 1 })
    await writeDescendant(base, chat, { seed: 2, size: 0.1 })
    await writeDescendant(base, target, { seed: 3, size: 0.4 })
    await writeTinyModel(stranger, { seed: 9 })
    writeFileSync(join(chat, 'chat_template.jinja'), '{{ messages[0].content }}<eot>')
    writeFileSync(join(chat, 'generation_config.json'), JSON.stringify({ eos_token_id: [4] }))
  })

  test('extracting and applying a dense delta is the graft, file by file and bit for bit', async () => {
    const { out: delta } = await extractDelta({ base, chat, out: out() })
    for (const scale of [-0.5, 0, 0.7, 1, [0.2, 1], { attention: 0.5, default: 1 }]) {
      const grafted = await graft({ target, base, chat, scale, out: out() })
      const applied = await applyDelta({ target, delta, scale, out: out() })
      assertSameFiles(grafted.out, applied.out)
      assert.deepEqual(applied.modules, grafted.modules)
    }
  })

  test('base and chat model are not needed to apply', async () => {
    const [b, c, place] = [out(), out(), out()]
    cpSync(base, b, { recursive: true })
    cpSync(chat, c, { recursive: true })
    await extractDelta({ base: b, chat: c, out: place })
    for (const folder of [b, c]) rmSync(folder, { recursive: true })
    const { out: result } = await applyDelta({ target, delta: place, out: out() })
    assert.equal(readFileSync(join(result, 'chat_template.jinja'), 'utf8'), '{{ messages[0].content }}<eot>')
    assert.equal(json(result, 'generation_config.json').eos_token_id, 4)
    const { ok, mismatches, chunks_checked } = await verify(result)
    assert.ok(ok && mismatches.length === 0 && chunks_checked > 0)
  })

  for (const name of Object.keys(CASES))
    test(`vocabularies, ${name}: extracting and applying is the graft, bit for bit`, async () => {
      const models = await writeCase(name, temporaryFolder())
      const grafted = await graft({ ...models, scale: 0.7, out: out() })
      const { target: t, ...pair } = models
      const { out: delta } = await extractDelta({ ...pair, out: out() })
      const applied = await applyDelta({ target: t, delta, scale: 0.7, force: true, out: out() })
      assert.deepEqual(applied.vocabulary, grafted.vocabulary)
      assertSameFiles(grafted.out, applied.out)
    })

  for (const format of FORMATS) {
    test(`${format}: the figures are those of the file, and inspect shows them`, async () => {
      const settings = format === 'lowrank' ? { rank: 8 } : {}
      const report = await extractDelta({ base, chat, out: out(), format, ...settings })
      const whole = out()
      await applyDelta({ target: base, delta: report.out, out: whole, force: true })
      const [got, b, c] = [whole, base, chat].map(arrays)
      // With target = base, what came back is out - base but for one rounding of the sum.
      for (const { name, delta_l2, error_l2, relative_error, elements } of report.tensors) {
        const d = c[name].data.map((value, i) => Math.fround(value - b[name].data[i]))
        const lost = got[name].data.map((value, i) => value - b[name].data[i] - d[i])
        assert.equal(elements, d.length)
        assert.ok(Math.abs(norm(d) - delta_l2) <= 1e-6 * delta_l2, name)
        assert.ok(Math.abs(norm(lost) - error_l2) <= 1e-6 * norm(b[name].data), name)
        assert.ok(Math.abs(error_l2 - relative_error * delta_l2) <= 1e-9 * delta_l2, name)
      }
      const shown = await inspectDelta(report.out)
      assert.equal(shown.format, format)
      assert.equal(shown.architecture, 'llama')
      assert.deepEqual(shown.tensors, report.tensors)
      for (const key of ['bytes', 'elements', 'ratio', 'relative_error', 'delta_l2', 'base_l2'])
        assert.equal(shown[key], report[key], key)
      assert.equal(shown.bytes, readFileSync(join(report.out, 'delta.safetensors')).length)
      assert.deepEqual(shown, await inspectDelta(report.out))
    })
  }

  test('the delta tells its origin: hashes, settings, version', async () => {
    const { out: place } = await extractDelta({ base, chat, out: out(), format: 'topk', density: 0.25 })
    const { metadata } = await inspectDelta(place)
    const { inputs } = json(place, 'provenance.json')
    const [sha] = inputs[0].files.filter(({ name }) => name === 'model.safetensors')
    assert.deepEqual(JSON.parse(metadata.base), { 'model.safetensors': sha.sha256 })
    assert.equal(metadata.density, '0.25')
    assert.match(metadata.tool_version, /^\d+\.\d+/)
    assert.match(
      readFileSync(join(place, 'resolved.yaml'), 'utf8'),
      /verb: delta extract[\s\S]*density: 0.25/,
    )
    assert.match(readFileSync(join(place, 'README.md'), 'utf8'), /library_name: tongueforge/)
  })

  test('the energy of lowrank is kept by every matrix, and the ranks are told', async () => {
    const report = await extractDelta({ base, chat, out: out(), format: 'lowrank', energy: 0.5 })
    assert.ok(Object.keys(report.ranks).length > 0)
    for (const { name, relative_error } of report.tensors)
      if (name in report.ranks) assert.ok(relative_error <= Math.sqrt(0.5) + 1e-6, name)
  })

  test('a dry run of extract tells the size of the file to the byte, and writes nothing', async () => {
    const place = out()
    for (const settings of [{}, { format: 'topk' }, { format: 'lowrank', energy: 0.5 }, { format: 'int4' }]) {
      const plan = await extractDelta({ base, chat, out: place, ...settings, dryRun: true })
      assert.ok(!existsSync(place))
      const { bytes } = await extractDelta({ base, chat, out: out(), ...settings })
      assert.equal(plan.bytes_to_write, bytes)
    }
  })

  test('a model of another base is refused with its distance, unless forced', async () => {
    const { out: delta } = await extractDelta({ base, chat, out: out(), format: 'int8' })
    const place = out()
    await assert.rejects(applyDelta({ target: stranger, delta, out: place }), (error) => {
      assert.equal(error.code, 'ERR_WRONG_BASE')
      assert.ok(error.details.distance > 1, error.message)
      assert.ok(error.message.includes(error.details.distance.toPrecision(3)))
      assert.match(error.hint, /--force/)
      return true
    })
    assert.ok(!existsSync(place))
    const { descent } = await applyDelta({ target: stranger, delta, out: place, force: true })
    assert.equal(descent.by, 'force')
    const near = await applyDelta({ target, delta, out: out() })
    assert.equal(near.descent.by, 'distance')
    assert.ok(near.descent.distance > 0.05 && near.descent.distance < 0.5)
  })

  test("a target whose provenance names the base's files is taken without a look at its weights", async () => {
    const { out: delta } = await extractDelta({ base, chat, out: out() })
    const child = out()
    cpSync(stranger, child, { recursive: true })
    const inputs = json(delta, 'provenance.json').inputs.slice(0, 1)
    writeFileSync(join(child, 'provenance.json'), JSON.stringify({ verb: 'train', inputs }))
    const { descent } = await applyDelta({ target: child, delta, out: out(), dryRun: true })
    assert.equal(descent.by, 'provenance')
    inputs[0].files[0].sha256 = '0'.repeat(64)
    writeFileSync(join(child, 'provenance.json'), JSON.stringify({ verb: 'train', inputs }))
    await assert.rejects(applyDelta({ target: child, delta, out: out() }), { code: 'ERR_WRONG_BASE' })
  })

  test('a provenance that names one weight file of two does not make a descendant', async () => {
    const { out: place } = await extractDelta({ base, chat, out: out() })
    const delta = await openDelta(place)
    const child = out()
    cpSync(stranger, child, { recursive: true })
    const inputs = json(place, 'provenance.json').inputs.slice(0, 1)
    writeFileSync(join(child, 'provenance.json'), JSON.stringify({ verb: 'train', inputs }))
    const known = JSON.parse(delta.metadata.base)
    const folder = await openModelFolder(child)
    const sharded = { ...delta.metadata, base: JSON.stringify({ ...known, other: '0'.repeat(64) }) }
    assert.equal((await checkDescent(folder, delta, false)).by, 'provenance')
    await assert.rejects(checkDescent(folder, { ...delta, metadata: sharded }, false), {
      code: 'ERR_WRONG_BASE',
    })
  })

  test('weights that are no numbers are refused by tensor', async () => {
    const broken = out()
    cpSync(chat, broken, { recursive: true })
    await scaleEmbeddingRow(broken, 'the', Number.NaN)
    const place = out()
    await assert.rejects(extractDelta({ base, chat: broken, out: place }), (error) => {
      assert.equal(error.code, 'ERR_NON_FINITE')
      assert.equal(error.details.tensor, 'model.embed_tokens.weight')
      assert.match(error.message, /the difference at element \d+ is not a number/)
      assert.match(error.hint, /inspect MODEL --scan/)
      return true
    })
    assert.ok(!existsSync(place))
  })

  test('settings of another format, and impossible ones, are refused by key', async () => {
    const refused = async (options, message) => {
      await assert.rejects(extractDelta({ base, chat, out: out(), ...options }), (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(error.message, message)
        return true
      })
    }
    await refused({ format: 'zip' }, /format: expected dense \| topk \| lowrank \| int8 \| int4/)
    await refused({ density: 0.5 }, /density: expected format topk beside it, received dense/)
    await refused({ format: 'topk', density: 0 }, /density: expected a number above 0, to 1, received 0/)
    await refused({ format: 'int4', rank: 4 }, /rank: expected format lowrank beside it, received int4/)
    await refused({ format: 'lowrank', rank: 4, energy: 0.5 }, /expected rank or energy, received both/)
  })

  test('what is no delta is refused, with the way to make one', async () => {
    await assert.rejects(inspectDelta(base), (error) => {
      assert.equal(error.code, 'ERR_NOT_FOUND')
      assert.match(error.message, /expected a folder with a delta/)
      assert.match(error.hint, /delta extract --base BASE/)
      return true
    })
    const fake = out()
    cpSync(base, fake, { recursive: true })
    cpSync(join(base, 'model.safetensors'), join(fake, 'delta.safetensors'))
    await assert.rejects(inspectDelta(fake), { code: 'ERR_DELTA' })
  })

  test('an abort leaves nothing; with resume it leaves its work, and the next run ends with the same bytes', async () => {
    const place = out()
    const whole = await extractDelta({ base, chat, out: out(), format: 'topk' })
    const run = (resume, onKept) => {
      const controller = new AbortController()
      const stop = { signal: controller.signal, onProgress: () => controller.abort(), onKept }
      return assert.rejects(extractDelta({ base, chat, out: place, format: 'topk', resume }, stop), {
        name: 'AbortError',
      })
    }
    await run(false)
    assert.ok(!existsSync(place))
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('.')),
      [],
    )
    let kept = 0
    await run(true, () => kept++)
    assert.equal(kept, 1)
    await extractDelta({ base, chat, out: place, format: 'topk', resume: true })
    const file = (folder) => readFileSync(join(folder, 'delta.safetensors'))
    assert.ok(file(place).equals(file(whole.out)))
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith('.')),
      [],
    )
  })

  test('models of another width are told so, and an output without a name', async () => {
    const wide = join(root, 'wide')
    await writeTinyModel(wide, { width: 64 })
    const refusal = {
      code: 'ERR_SHAPE_MISMATCH',
      message: `Expected models of one hidden_size, received 32 (${base}) and 64 (${wide})`,
      hint: /descend from one base/,
    }
    await assert.rejects(extractDelta({ base, chat: wide, out: out() }), refusal)
    const vector = { target: base, base: wide, chat }
    await assert.rejects(graft({ ...vector, out: out() }), refusal)
    await assert.rejects(extractDelta({ base, chat, out: '' }), {
      code: 'ERR_USAGE',
      message: 'Expected a folder to create, received an empty path',
      hint: 'Give the path of a new folder.',
    })
  })

  test('the command prints what graft prints', async () => {
    const manners = out()
    await extractDelta({ base, chat, out: manners })
    const place = out()
    const { code, out: text } = await cli([
      'delta',
      'apply',
      '--target',
      target,
      '--delta',
      manners,
      '--out',
      place,
    ])
    assert.equal(code, 0)
    assert.match(text, /^descent$/m)
    assert.match(text, /^vocabulary {2}the same in all models, \d+ rows$/m)
    assert.doesNotMatch(text, /^warnings/m)
    await extractDelta({ base, chat: stranger, out: manners, overwrite: true })
    const all = ['--scale', '3e38', '--target', target, '--delta', manners, '--out', out()]
    assert.match(
      (await cli(['delta', 'apply', ...all])).err,
      /values of the result are infinite or not a number/,
    )
  })

  test('an existing folder is kept unless overwrite is set', async () => {
    const place = out()
    await extractDelta({ base, chat, out: place })
    await assert.rejects(extractDelta({ base, chat, out: place }), { code: 'ERR_EXISTS' })
    await extractDelta({ base, chat, out: place, overwrite: true, format: 'int8' })
    assert.equal((await inspectDelta(place)).format, 'int8')
    await assert.rejects(extractDelta({ base, chat, out: chat, overwrite: true }), { code: 'ERR_USAGE' })
  })
})
