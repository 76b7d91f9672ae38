// The closed forms against passes that are walked through product by product.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { countMacs, effectiveMacs, products, visiblePairs } from '#lib/counting/macs'
import { modelSize } from '#lib/counting/registry'
import { decoderSpecs } from '../helpers/specs.mjs'

/** Shapes of all products of a row with matrices and of attention: (T, inputs) x (inputs, outputs). */
function* walk(spec, tokens) {
  const { hidden_size: D, head_dim: H } = spec
  for (const { num_heads: N, num_kv_heads: K, intermediate_size: F, ranks } of spec.layers) {
    const linears = {
      'self_attn.q_proj': [D, N * H],
      'self_attn.k_proj': [D, K * H],
      'self_attn.v_proj': [D, K * H],
      'self_attn.o_proj': [N * H, D],
      'mlp.gate_proj': [D, F],
      'mlp.up_proj': [D, F],
      'mlp.down_proj': [F, D],
    }
    for (const [module, [inputs, outputs]] of Object.entries(linears)) {
      const rank = ranks[module]
      if (rank === undefined) yield [tokens, inputs, outputs]
      else
        yield* [
          [tokens, inputs, rank],
          [tokens, rank, outputs],
        ]
    }
    for (let head = 0; head < N; head++) {
      yield [tokens, H, tokens]
      yield [tokens, tokens, H]
    }
  }
  yield [tokens, D, spec.vocab_size]
}

const tokens = fc.integer({ min: 1, max: 12 })

test('core is the sum over every product, and its parts are its sum', () => {
  fc.assert(
    fc.property(decoderSpecs, tokens, (spec, T) => {
      let sum = 0
      for (const [rows, inner, columns] of walk(spec, T)) sum += rows * inner * columns
      const { core, parts, positions } = countMacs(modelSize(spec), T)
      assert.equal(core, sum)
      assert.equal(
        core,
        Object.values(parts).reduce((a, b) => a + b),
      )
      assert.equal(positions, T)
    }),
  )
})

test('visible counts the pairs that a causal mask and a window let through, one by one', () => {
  fc.assert(
    fc.property(decoderSpecs, tokens, (spec, T) => {
      let hidden = 0
      for (const { num_heads, window } of spec.layers)
        for (let query = 0; query < T; query++)
          for (let key = 0; key < T; key++)
            if (key > query || (window && query - key >= window)) hidden += 2 * num_heads * spec.head_dim
      const { core, visible } = countMacs(modelSize(spec), T)
      assert.equal(visible, core - hidden)
    }),
  )
  assert.equal(visiblePairs({ causal: false, window: 0 }, 7), 49)
})

test('superb adds biases of q, k and v, the scaling of q, and four operations a score', () => {
  fc.assert(
    fc.property(decoderSpecs, tokens, (spec, T) => {
      let extras = 0
      for (const { num_heads: N, num_kv_heads: K } of spec.layers) {
        if (spec.attention_bias) extras += T * (N + 2 * K) * spec.head_dim
        extras += T * N * spec.head_dim + 4 * N * T * T
      }
      const { core, superb } = countMacs(modelSize(spec), T)
      assert.equal(superb, core + extras)
    }),
  )
})

test('effective leaves out one product a position for each zero, and is not told where zeros are not known', () => {
  fc.assert(
    fc.property(decoderSpecs, tokens, fc.integer({ min: 0, max: 5 }), (spec, T, step) => {
      const size = modelSize(spec)
      const names = [...products(size, T)].map(({ tensor }) => tensor)
      assert.equal(new Set(names).size, names.length, 'each weight is multiplied once')
      const zeros = new Map(names.map((name, i) => [name, i * step]))
      const spared = T * [...zeros.values()].reduce((sum, count) => sum + count, 0)
      const { core, superb } = countMacs(size, T)
      assert.deepEqual(effectiveMacs(size, T, zeros), { core: core - spared, superb: superb - spared })
      zeros.delete(names[step % names.length])
      assert.equal(effectiveMacs(size, T, zeros), undefined)
    }),
  )
})

test('zeros of a tied table count in the head, where it is multiplied', () => {
  fc.assert(
    fc.property(decoderSpecs, (spec) => {
      const head = [...products(modelSize(spec), 5)].at(-1)
      const tensor = spec.tie_word_embeddings ? 'model.embed_tokens.weight' : 'lm_head.weight'
      assert.deepEqual(head, {
        ...{ tensor, part: 'head', times: 5 },
        ...{ rows: spec.vocab_size, columns: spec.hidden_size },
      })
    }),
  )
})
