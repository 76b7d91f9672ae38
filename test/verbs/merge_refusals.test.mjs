// What `merge` refuses once it has seen the models, before anything is written; test/config/merge.test.mjs has the rest.
import assert from 'node:assert/strict'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { compress, extractDelta, graft, merge } from 'tongueforge'
import { clone } from '../helpers/cli.mjs'
import { tinyCompression } from '../helpers/tiny_compression.mjs'
import { json, linear, tinyMerges, weights } from '../helpers/tiny_merges.mjs'
import { writeTinyModel } from '../helpers/tiny_model.mjs'

const { root, a, b, deep, refuses } = await tinyMerges()

describe('merge refuses', () => {
  test('models of other families', async () => {
    const qwen = join(clone, 'test/golden/decoder/qwen2')
    await refuses(linear([{ model: a }, { model: qwen }]), {
      code: 'ERR_ARCHITECTURE',
      message: /llama .* and qwen2/,
      hint: /one family/,
    })
  })

  test('models of another size, by tensor and with both shapes', async () => {
    const wide = join(root, 'wide')
    await writeTinyModel(wide, { layers: 4, width: 64 })
    await refuses(linear([{ model: a }, { model: wide }]), {
      code: 'ERR_SHAPE_MISMATCH',
      message: /the same hidden_size, received hidden_size 32 .*a\) and 64 .*wide\)/,
    })
    const config = json(wide, 'config.json')
    const narrow = { ...config, head_dim: 8, hidden_size: 32 }
    writeFileSync(join(wide, 'config.json'), JSON.stringify(narrow))
    await refuses(linear([{ model: a }, { model: wide }]), {
      code: 'ERR_SHAPE_MISMATCH',
      message: /model.embed_tokens.weight in .*: \[\d+, 32\]; .*: \[\d+, 64\]/,
      hint: /one size/,
    })
  })

  test('stacked models that say otherwise what a model has once', async () => {
    const other = join(root, 'biased')
    cpSync(a, other, { recursive: true })
    const config = json(other, 'config.json')
    writeFileSync(join(other, 'config.json'), JSON.stringify({ ...config, attention_bias: true }))
    const slices = [a, other].map((model) => ({ sources: [{ model, layer_range: [0, 2] }] }))
    await refuses(
      { merge_method: 'passthrough', slices },
      {
        code: 'ERR_SHAPE_MISMATCH',
        message: /received attention_bias false .*a\) and true .*biased\)/,
      },
    )
  })

  test('layers of factors, which no sum of weights fits', async () => {
    const halves = { method: 'lowrank', ratio: 0.5 }
    const [factored, whole] = await Promise.all(
      [false, true].map(async (dense) => {
        const place = join(root, `lowrank-${dense}`)
        const given = await tinyCompression(join(root, `inputs-${dense}`), { layers: 4 })
        const stages = [{ ...halves, dense }]
        return (await compress({ ...given, model: a, recovery: undefined, stages, out: place }).result).model
      }),
    )
    const expected = {
      code: 'ERR_ARCHITECTURE',
      message: `${factored}: expected linear layers that are whole, received layers.0.self_attn.q_proj of two factors`,
      hint: /`dense: true`/,
    }
    await refuses(linear([{ model: a }, { model: factored }]), expected)
    await refuses(linear([{ model: factored }, { model: factored }]), expected)
    await assert.rejects(graft({ target: a, base: b, chat: factored, out: join(root, 'graft') }), expected)
    await assert.rejects(graft({ target: factored, base: a, chat: b, out: join(root, 'graft') }), expected)
    await assert.rejects(extractDelta({ base: a, chat: factored, out: join(root, 'delta') }), expected)
    await merge(linear([{ model: a }, { model: whole }]), { out: join(root, 'whole') })
  })

  test('models of unequal depth', async () => {
    await refuses(linear([{ model: a }, { model: deep }]), { code: 'ERR_CONFIG', hint: /slices/ })
  })

  test('a filter that no tensor has in its name', async () => {
    const weight = [{ filter: 'self_attm', value: 1 }, { value: 0.5 }]
    await refuses(linear([{ model: a }, { model: b }], { parameters: { weight } }), {
      code: 'ERR_CONFIG',
      message: /parameters.weight: no tensor has 'self_attm' in its name/,
      hint: "Did you mean 'self_attn'?",
    })
  })

  test('an output that is an input, and one that is there', async () => {
    await assert.rejects(merge(linear([{ model: a }]), { out: a, overwrite: true }), { code: 'ERR_USAGE' })
    await assert.rejects(merge(linear([{ model: a }]), { out: b }), { code: 'ERR_EXISTS' })
  })

  test('a revision of the hub, with what to do', async () => {
    await refuses(linear([{ model: `${a}@main` }]), { code: 'ERR_CONFIG', hint: /hf download/ })
  })

  test('weights that are no floats', async () => {
    const whole = join(root, 'whole')
    cpSync(a, whole, { recursive: true })
    const bytes = weights(whole)
    const at = bytes.indexOf('"F32"')
    bytes.write('"I32"', at)
    writeFileSync(join(whole, 'model.safetensors'), bytes)
    await refuses(linear([{ model: a }, { model: whole }]), {
      code: 'ERR_DTYPE',
      message: /I32/,
      hint: /out_dtype/,
    })
    rmSync(whole, { recursive: true })
  })
})
