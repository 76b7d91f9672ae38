// The forms of a graft beyond one number: scales by layer, kind and name, several vectors, sparsified, resumed.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { graft } from 'tongueforge'
import { cli } from '../helpers/cli.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { readArrays, readTensors, writeTensors } from '../helpers/safetensors.mjs'
import { random, seed } from '../helpers/stress.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const file = (folder) => join(folder, 'model.safetensors')
const weights = (folder) => readFileSync(file(folder))
const json = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))
const hidden = (folder) => readdirSync(folder).filter((name) => name.startsWith('.'))

const root = temporaryFolder()
const [base, chat, other, target] = ['base', 'chat', 'other', 'target'].map((name) => join(root, name))
let made = 0
const out = () => join(root, `out-${made++}`)

before(async () => {
  for (const [i, folder] of [base, chat, other, target].entries())
    await writeTinyModel(folder, { seed: i + 1 })
})

/** target + scaleOf(name) * (chat - base), as a float32 target is rounded. */
function expected(name, arrays, scale) {
  const { t, b, c } = arrays
  return t[name].data.map(
    (value, i) => value + Math.fround(scale) * Math.fround(c[name].data[i] - b[name].data[i]),
  )
}

const read = () => {
  const [t, b, c, o] = [target, base, chat, other].map((folder) => readArrays(file(folder)))
  return { t, b, c, o }
}

describe('scales', () => {
  test('a table scales by pattern, then by kind, then by default', async () => {
    const scale = { 'model.layers.0.mlp.*': 0.125, mlp: 2, attention: 0.25, default: 0.75 }
    const { out: result } = await graft({ target, base, chat, scale, out: out() })
    const arrays = read()
    const got = readArrays(file(result))
    const wanted = (name) => {
      if (name.startsWith('model.layers.0.mlp.')) return 0.125
      if (name.includes('.mlp.')) return 2
      if (name.includes('self_attn')) return 0.25
      return 0.75
    }
    for (const name of Object.keys(got))
      assert.deepEqual(got[name].data, expected(name, arrays, wanted(name)), name)
  })

  test('a list goes from the first layer to the last, exactly at its own numbers', async () => {
    const layers = json(target, 'config.json').num_hidden_layers
    const { out: result } = await graft({ target, base, chat, scale: [0.2, 0.9], out: out() })
    const arrays = read()
    const got = readArrays(file(result))
    for (const name of Object.keys(got)) {
      const layer = /layers\.(\d+)\./.exec(name)?.[1]
      const at = layer === undefined ? (name.includes('embed') ? 0 : 1) : Number(layer) / (layers - 1)
      const scale = at === 0 ? 0.2 : at === 1 ? 0.9 : 0.2 + (0.9 - 0.2) * at
      assert.deepEqual(got[name].data, expected(name, arrays, scale), name)
    }
  })

  test('a row that fits no tensor is refused before anything is written', async () => {
    const place = out()
    await assert.rejects(
      graft({ target, base, chat, scale: { 'model.layer.*': 1 }, out: place }),
      (error) => {
        assert.equal(error.code, 'ERR_CONFIG')
        assert.match(
          error.message,
          /scale\.model\.layer\.\*: expected a module kind, default, or a name that fits a tensor/,
        )
        assert.match(error.hint, /attention, mlp, norm/)
        return true
      },
    )
    for (const scale of [
      'much',
      Number.NaN,
      [],
      { mlp: 'all' },
      {},
      1e39,
      JSON.parse('{"mlp":1,"__proto__":2}'),
    ])
      await assert.rejects(graft({ target, base, chat, scale, out: place }), { code: 'ERR_CONFIG' })
    assert.ok(!existsSync(place))
  })
})

test('a list that is longer than the model is refused: some of its numbers would count for nothing', async () => {
  const most = json(target, 'config.json').num_hidden_layers
  const scale = { mlp: Array.from({ length: most + 1 }, (_, i) => i) }
  await assert.rejects(graft({ target, base, chat, scale, out: out() }), {
    code: 'ERR_CONFIG',
    message: `vectors.0.scale.mlp: expected a list of at most ${most} numbers, one for each layer, received ${most + 1}`,
    hint: 'Fewer numbers are joined by straight lines.',
  })
})

describe('several vectors', () => {
  const pairs = () => [
    { base, chat, scale: 0.5 },
    { base, chat: other, scale: -0.25 },
  ]

  test('are added in double and rounded once', async () => {
    const { out: result } = await graft({ target, vectors: pairs(), out: out() })
    const { t, b, c, o } = read()
    const got = readArrays(file(result))
    for (const name of Object.keys(got)) {
      const wanted = t[name].data.map((value, i) => {
        const [first, second] = [c, o].map((x) => Math.fround(x[name].data[i] - b[name].data[i]))
        return value + (0.5 * first + -0.25 * second)
      })
      assert.deepEqual(got[name].data, wanted, name)
    }
  })

  test('one that counts nothing has no part in the result, whatever its values are', async () => {
    const broken = join(root, 'broken')
    cpSync(chat, broken, { recursive: true })
    const tensors = Object.entries(readTensors(file(chat))).map(([name, tensor]) => ({ name, ...tensor }))
    for (const { bytes } of tensors)
      new Float32Array(bytes.buffer).set([Number.NaN, Number.POSITIVE_INFINITY])
    writeTensors(file(broken), tensors)
    for (const sparsify of [undefined, { method: 'ties', density: 0.5 }])
      for (const scale of [0, 0.5]) {
        const [one, two] = await Promise.all(
          [broken, chat].map((nothing) => {
            const vectors = [
              { base, chat: nothing, scale: 0 },
              { base, chat: other, scale },
              { base, chat, scale },
            ]
            return graft({ target, vectors, sparsify, out: out() })
          }),
        )
        assert.equal(one.nonfinite, 0)
        assert.ok(weights(one.out).equals(weights(two.out)), JSON.stringify({ sparsify, scale }))
        if (scale === 0) assert.ok(weights(one.out).equals(weights(target)))
      }
  })

  test('come to the same bytes in either order', async () => {
    const one = await graft({ target, vectors: pairs(), out: out() })
    const two = await graft({ target, vectors: pairs().reverse(), out: out() })
    assert.ok(weights(one.out).equals(weights(two.out)))
  })

  test(`independent ones come to the same bytes in any order (seed ${seed})`, async () => {
    // Three chat models that each differ from the base in entries of their own.
    const draw = random(seed)
    const chats = await Promise.all(
      [0, 1, 2].map(async (part) => {
        const folder = join(root, `part-${part}`)
        cpSync(base, folder, { recursive: true })
        const bytes = weights(folder)
        const data = 8 + Number(bytes.readBigUInt64LE(0))
        for (let at = data + 4 * part; at < bytes.length; at += 12) bytes.writeFloatLE(draw() - 0.5, at)
        writeFileSync(file(folder), bytes)
        return folder
      }),
    )
    const vectors = chats.map((folder) => ({ base, chat: folder, scale: 2 * draw() - 1 }))
    const orders = [
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
      [2, 1, 0],
    ]
    const results = []
    for (const order of orders) {
      const { out: result } = await graft({ target, vectors: order.map((i) => vectors[i]), out: out() })
      results.push(weights(result))
    }
    assert.ok(!results[0].equals(weights(target)))
    for (const result of results) assert.ok(result.equals(results[0]))
  })

  test('one of scale 0 changes nothing', async () => {
    const alone = await graft({ target, base, chat, scale: 0.5, out: out() })
    const vectors = [pairs()[0], { base, chat: other, scale: 0 }]
    const beside = await graft({ target, vectors, out: out() })
    assert.ok(weights(alone.out).equals(weights(beside.out)))
  })
})

describe('sparsified', () => {
  const kept = (result) => {
    const { t } = read()
    const got = readArrays(file(result))
    return Object.keys(got).map((name) => {
      const changed = got[name].data.filter((value, i) => value !== t[name].data[i]).length
      return { name, changed, size: got[name].data.length }
    })
  }

  test('ties keeps exactly the largest entries of each tensor', async () => {
    const sparsify = { method: 'ties', density: 0.3 }
    const { out: result } = await graft({ target, base, chat, sparsify, out: out() })
    const arrays = read()
    const got = readArrays(file(result))
    for (const name of Object.keys(got)) {
      const deltas = [...arrays.c[name].data].map((value, i) => Math.fround(value - arrays.b[name].data[i]))
      const order = deltas.map((_, i) => i).sort((i, j) => Math.abs(deltas[j]) - Math.abs(deltas[i]) || i - j)
      const largest = new Set(order.slice(0, Math.round(0.3 * deltas.length)))
      const wanted = arrays.t[name].data.map((value, i) => (largest.has(i) ? value + deltas[i] : value))
      assert.deepEqual(got[name].data, wanted, name)
    }
  })

  test('dare keeps about its density, the same for the same seed, whatever the threads', async () => {
    const options = { target, base, chat, sparsify: { method: 'dare', density: 0.4, seed: 7 } }
    const one = await graft({ ...options, threads: 1, out: out() })
    const two = await graft({ ...options, threads: 4, out: out() })
    const other = await graft({ ...options, sparsify: { ...options.sparsify, seed: 8 }, out: out() })
    assert.ok(weights(one.out).equals(weights(two.out)))
    assert.ok(!weights(one.out).equals(weights(other.out)))
    let [changed, size] = [0, 0]
    for (const row of kept(one.out).filter(({ name }) => !name.includes('norm'))) {
      changed += row.changed
      size += row.size
    }
    const sigma = Math.sqrt(0.4 * 0.6 * size)
    assert.ok(Math.abs(changed - 0.4 * size) < 6 * sigma, `${changed} of ${size}`)
  })

  test('at density 1 nothing is left out', async () => {
    const plain = await graft({ target, base, chat, scale: 0.7, out: out() })
    for (const method of ['ties', 'dare']) {
      const sparsify = { method, density: 1 }
      const all = await graft({ target, base, chat, scale: 0.7, sparsify, out: out() })
      assert.ok(weights(all.out).equals(weights(plain.out)), method)
    }
  })

  test('a density of nothing is refused', async () => {
    const sparsify = { method: 'ties', density: 0 }
    await assert.rejects(graft({ target, base, chat, sparsify, out: out() }), (error) => {
      assert.equal(error.code, 'ERR_CONFIG')
      assert.match(error.message, /sparsify\.density: expected a number above 0, to 1, received 0/)
      return true
    })
  })
})

describe('resumed', () => {
  /** Aborts at a part of the progress; true if it came to that. */
  async function stopAt(part, options) {
    const stop = new AbortController()
    const reason = new Error('enough')
    const callbacks = {
      signal: stop.signal,
      onProgress: ({ done_bytes, total_bytes }) => {
        if (done_bytes >= part * total_bytes) stop.abort(reason)
      },
    }
    try {
      await graft(options, callbacks)
      return false
    } catch (error) {
      assert.equal(error, reason)
      return true
    }
  }

  test(`an aborted graft goes on to the same bytes and figures (seed ${seed})`, async () => {
    const draw = random(seed)
    const big = {}
    for (const [i, name] of ['t', 'b', 'c'].entries()) {
      big[name] = join(root, `big-${name}`)
      await writeTinyModel(big[name], { seed: i + 1, width: 512, layers: 4 })
    }
    const options = { target: big.t, base: big.b, chat: big.c, scale: 0.9 }
    const whole = await graft({ ...options, out: out() })
    let resumed = 0
    for (let i = 0; i < 6; i++) {
      const place = out()
      const again = { ...options, out: place, resume: true, threads: 1 + (i % 3) }
      const stopped = await stopAt(draw(), again)
      assert.equal(existsSync(place), !stopped)
      if (!stopped) continue
      const { bytes_resumed, seconds: _, out: __, free_bytes: ___, ...figures } = await graft(again)
      const { bytes_resumed: ____, seconds, out: o, free_bytes, ...wanted } = whole
      assert.deepEqual(figures, wanted)
      assert.ok(weights(place).equals(weights(whole.out)))
      if (bytes_resumed > 0) resumed++
      assert.deepEqual(hidden(root), [])
    }
    assert.ok(resumed > 0)
  })

  test('without resume an aborted graft leaves nothing', async () => {
    const options = { target: join(root, 'big-t'), base: join(root, 'big-b'), chat: join(root, 'big-c') }
    const place = out()
    assert.ok(await stopAt(0.3, { ...options, out: place }))
    assert.deepEqual(hidden(root), [])
    assert.ok(!existsSync(place))
  })

  test('an input that changed in between is noticed: the work starts anew', async () => {
    const changed = join(root, 'changed')
    cpSync(join(root, 'big-t'), changed, { recursive: true })
    const options = { target: changed, base: join(root, 'big-b'), chat: join(root, 'big-c'), out: out() }
    assert.ok(await stopAt(0.6, { ...options, resume: true }))
    const bytes = weights(changed)
    bytes[bytes.length - 1] ^= 1
    writeFileSync(file(changed), bytes)
    const report = await graft({ ...options, resume: true })
    assert.equal(report.bytes_resumed, 0)
    const fresh = await graft({ ...options, out: out() })
    assert.ok(weights(report.out).equals(weights(fresh.out)))
  })
})

test('the command takes vectors, scales and sparsification', async () => {
  const place = out()
  const scale = '{mlp: 0.5, default: 1}'
  const models = ['--target', target, '--base', base, '--chat', chat, '--chat', other]
  const more = ['--scale', scale, '--scale', '-0.5', '--sparsify', 'dare:0.5', '--seed', '3']
  const { code, err } = await cli(['graft', ...models, ...more, '--out', place])
  assert.equal(code, 0, err)
  const vectors = [
    { base, chat, scale: { mlp: 0.5, default: 1 } },
    { base, chat: other, scale: -0.5 },
  ]
  const sparsify = { method: 'dare', density: 0.5, seed: 3 }
  const same = await graft({ target, vectors, sparsify, out: out() })
  assert.ok(weights(place).equals(weights(same.out)))
  const wrong = await cli(['graft', ...models, '--base', base, '--base', base, '--out', out()])
  assert.equal(wrong.code, 2)
  assert.match(wrong.err, /expected one --base or one for each of 2 --chat, received 3/)
})
