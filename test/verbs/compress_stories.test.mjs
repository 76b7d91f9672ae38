// A real trained model, 260 thousand parameters, that loses parts: what is chosen by scores against what is chosen at
// random. Its own stories are calibration and held-out text. A part is gone when it is zero: test/native/compress shows it.
import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'node:test'
import { decoderSpec } from '#lib/checkpoint/model_config'
import { native, runJob } from '#lib/native'
import { Random } from '#lib/text/random'
import { namedLinears } from '#lib/verbs/compressing/named_linears'
import { dataTest } from '../helpers/data.mjs'
import { temporaryFolder } from '../helpers/folders.mjs'
import { numbersOf, readTensors, writeTensors } from '../helpers/safetensors.mjs'

const MODEL = 'models/stories260K_hf'
const BOS = 1
const TOKENS = 192
const STORIES = 24
const DRAWS = 5

describe('stories260K without some of its parts', () => {
  const root = temporaryFolder()
  let made = 0

  /** The model, the stories it is calibrated and measured on, and the ways to make it smaller. */
  async function opened(folder) {
    const spec = decoderSpec(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')))
    const load = (from) => runJob('loadModel', { folder: from, spec, dtype: 'float32', threads: 1 })
    const [calibration, heldOut] = [await stories(load, folder, 1), await stories(load, folder, 2)]
    const perplexity = async (model) => {
      const { sum, count } = await runJob('modelLoss', {
        model,
        loss: { kind: 'language' },
        batch: heldOut,
        threads: 1,
      })
      native().dispose(model)
      return Math.exp(sum / count)
    }
    return {
      spec,
      whole: async () => perplexity(await load(folder)),
      /** After a native job, or several one after the other. */
      after: async (job, ...steps) => {
        const model = await load(folder)
        const inputs = { model, batches: [calibration], threads: 1, loss: 'language' }
        for (const step of steps) await runJob(job, { ...inputs, ...step })
        return perplexity(model)
      },
      /** With zeros in random columns of a matrix of every layer: `gone` units of `width` each. */
      atRandom: async (seed, module, width, gone) => {
        const out = join(root, `random-${made++}`)
        cpSync(folder, out, { recursive: true })
        zeroColumns(join(out, 'model.safetensors'), seed, module, width, gone)
        return perplexity(await load(out))
      },
    }
  }

  dataTest(
    'hidden units by what they do leave a better model than by size, and that than at random',
    MODEL,
    async (t, folder) => {
      const { spec, after, atRandom, whole } = await opened(folder)
      const [{ intermediate_size: all }] = spec.layers
      const keep = spec.layers.map(() => all / 2)
      const scored = {}
      for (const criterion of ['taylor', 'activation', 'l1'])
        scored[criterion] = await after('pruneRows', { criterion, keep })
      const random = await each(DRAWS, (seed) => atRandom(seed, 'mlp.down_proj', 1, all / 2))
      t.diagnostic(`whole ${await whole()}, ${JSON.stringify(scored)}, at random ${random}`)
      const mean = random.reduce((sum, value) => sum + value, 0) / DRAWS
      for (const byUse of [scored.taylor, scored.activation])
        assert.ok(byUse < Math.min(...random, scored.l1), String(byUse))
      assert.ok(scored.l1 < mean)
    },
  )

  dataTest(
    'groups of heads by what the loss owes to them leave a better model than any at random',
    MODEL,
    async (t, folder) => {
      const { spec, after, atRandom, whole } = await opened(folder)
      const scored = {}
      for (const criterion of ['taylor', 'data', 'l1'])
        scored[criterion] = await after('pruneHeads', {
          criterion,
          unit: 'group',
          keep: spec.layers.map(({ num_kv_heads }) => num_kv_heads - 1),
        })
      const width = (spec.layers[0].num_heads / spec.layers[0].num_kv_heads) * spec.head_dim
      const random = await each(DRAWS, (seed) => atRandom(seed, 'self_attn.o_proj', width, 1))
      t.diagnostic(`whole ${await whole()}, ${JSON.stringify(scored)}, at random ${random}`)
      // By size they are no better than a lucky draw here.
      for (const byLoss of [scored.taylor, scored.data])
        assert.ok(byLoss < Math.min(...random, scored.l1), String(byLoss))
    },
  )

  dataTest('the layer of least influence is the one that is missed least', MODEL, async (t, folder) => {
    const { spec, after } = await opened(folder)
    const [influence, angle] = [
      await after('dropLayers', { criterion: 'influence', count: 1 }),
      await after('dropLayers', { criterion: 'angle', count: 1 }),
    ]
    const layers = spec.layers.map((_, i) => i)
    const without = await each(layers.length, (layer) =>
      after('dropLayers', { criterion: 'influence', kept: layers.filter((i) => i !== layer) }),
    )
    t.diagnostic(`influence ${influence}, angle ${angle}, without each ${without}`)
    assert.equal(influence, Math.min(...without))
    assert.equal(angle, influence)
  })

  dataTest(
    'eight bits cost next to nothing; of four, GPTQ loses less than nearest values, and groups less than rows',
    MODEL,
    async (t, folder) => {
      const { spec, after, whole } = await opened(folder)
      const layers = namedLinears(spec).map(({ name }) => name)
      const quantised = (options) =>
        after('quantizeWeights', {
          group: 0,
          symmetric: true,
          gptq: false,
          damping: 0.01,
          layers,
          ...options,
        })
      const [dense, int8] = [await whole(), await quantised({ bits: 8 })]
      const [nearest, gptq] = [await quantised({ bits: 4 }), await quantised({ bits: 4, gptq: true })]
      const [groups, both] = [
        await quantised({ bits: 4, group: 4 }), // the one size that divides 64 and 172
        await quantised({ bits: 4, group: 4, gptq: true }),
      ]
      t.diagnostic(JSON.stringify({ dense, int8, nearest, gptq, groups, both }))
      assert.ok(Math.abs(int8 / dense - 1) < 0.01)
      assert.ok(int8 < gptq && gptq < nearest)
      assert.ok(both <= groups && groups < nearest)
    },
  )
})

async function each(count, work) {
  const results = []
  for (let i = 0; i < count; i++) results.push(await work(i))
  return results
}

/** Rows of stories as the model tells them, at temperature 1. */
async function stories(load, folder, seed) {
  const model = await load(folder)
  const sampling = { temperature: 1, top_k: 0, top_p: 1, min_p: 0, repetition_penalty: 1, seed }
  const told = await runJob('generate', {
    model,
    prompts: Array.from({ length: STORIES }, () => Int32Array.of(BOS)),
    max_new_tokens: TOKENS - 1,
    stop_ids: new Int32Array(0),
    stream: false,
    threads: 1,
    ...sampling,
  })
  native().dispose(model)
  const ids = told.flatMap((row) => [BOS, ...new Int32Array(row.ids)])
  const starts = ids.map((_, place) => place % TOKENS === 0)
  return {
    ids: Int32Array.from(ids),
    labels: Int32Array.from(ids, (id, place) => (starts[place] ? -100 : id)),
    segments: new Int32Array(ids.length),
    rows: STORIES,
  }
}

function zeroColumns(file, seed, module, width, gone) {
  const tensors = Object.entries(readTensors(file)).map(([name, tensor]) => {
    if (!name.endsWith(`${module}.weight`)) return { name, ...tensor }
    const [rows, columns] = tensor.shape
    const units = new Random(seed, Number(name.split('.')[2])).permutation(columns / width)
    const zero = new Set([...units].slice(0, gone))
    const values = Float32Array.from(numbersOf(tensor), (value, i) =>
      zero.has(Math.floor((i % columns) / width)) ? 0 : value,
    )
    assert.equal(values.length, rows * columns)
    return { name, ...tensor, bytes: new Uint8Array(values.buffer) }
  })
  writeTensors(file, tensors)
}
