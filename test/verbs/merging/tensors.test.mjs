// Which tensors make which, as mergekit-yaml's configs say it: pure planning, without a file.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkMergeConfig } from '#lib/config/merge_checks'
import { planSlices } from '#lib/verbs/merging/slices'
import { planTensors } from '#lib/verbs/merging/tensors'

const SUFFIXES = ['input_layernorm.weight', 'mlp.up_proj.weight', 'self_attn.q_proj.weight']

/** What planning sees of a model. */
function model({ layers = 4, tied = false, head = !tied, dtype = 'F32', without = [] } = {}) {
  const names = [
    'model.embed_tokens.weight',
    'model.norm.weight',
    ...(head ? ['lm_head.weight'] : []),
    ...Array.from({ length: layers }, (_, i) =>
      SUFFIXES.map((suffix) => `model.layers.${i}.${suffix}`),
    ).flat(),
  ]
  const tensors = new Map(
    names.filter((name) => !without.includes(name)).map((name) => [name, { dtype, shape: [2, 2] }]),
  )
  return { layers, tied, tensors }
}

function plan(config, models) {
  const checked = checkMergeConfig(config, 'm.yaml')
  const slices = planSlices(checked, (name) => models[name].layers, 'm.yaml')
  return planTensors(checked, slices, new Map(Object.entries(models)), 'm.yaml')
}

const named = ({ tensors }, name) => tensors.find((tensor) => tensor.name === name)
const [layer3, layer0] = [3, 0].map((i) => `model.layers.${i}.mlp.up_proj.weight`)
const linear = { merge_method: 'linear', parameters: { weight: 1 } }

describe('the tensors of a merge', () => {
  const models = { a: model(), b: model() }
  const both = { ...linear, models: [{ model: 'a' }, { model: 'b' }] }

  test('are those of the models, embedding first, then layers, norm and head', () => {
    const { tensors, head } = plan(both, models)
    assert.deepEqual(tensors.map(({ name }) => name).sort(), [...models.a.tensors.keys()].sort())
    assert.equal(tensors[0].name, 'model.embed_tokens.weight')
    assert.deepEqual(
      tensors.slice(-2).map(({ name }) => name),
      ['model.norm.weight', 'lm_head.weight'],
    )
    assert.ok(head)
    for (const { name, inputs, rows } of tensors) {
      assert.deepEqual(
        inputs.map(({ model, tensor }) => [model, tensor]),
        [
          ['a', name],
          ['b', name],
        ],
      )
      assert.equal(rows, name === 'model.embed_tokens.weight' || name === 'lm_head.weight')
    }
  })

  test('a gradient runs from the first layer to the last; embedding, norm and head have its first value', () => {
    const config = { ...both, models: [{ model: 'a', parameters: { weight: [0, 3] } }, { model: 'b' }] }
    const planned = plan(config, models)
    const weights = [0, 1, 2, 3].map(
      (i) => named(planned, `model.layers.${i}.mlp.up_proj.weight`).inputs[0].parameters.weight,
    )
    assert.deepEqual(weights, [0, 1, 2, 3])
    for (const name of ['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight'])
      assert.equal(named(planned, name).inputs[0].parameters.weight, 0, name)
  })

  test('a base that is not listed is appended where the method has one; a listed one is no input of its own', () => {
    const ties = { merge_method: 'ties', base_model: 'c', parameters: { weight: 1 } }
    const three = { ...models, c: model() }
    for (const listed of [
      [{ model: 'a' }, { model: 'b' }],
      [{ model: 'a' }, { model: 'c' }, { model: 'b' }],
    ]) {
      const { base, inputs, parameters } = named(plan({ ...ties, models: listed }, three), layer0)
      assert.deepEqual(base, { model: 'c', tensor: layer0 })
      assert.deepEqual(
        inputs.map((input) => input.model),
        ['a', 'b'],
      )
      assert.deepEqual(inputs[0].parameters, { weight: 1, density: 1 })
      assert.deepEqual(parameters, { lambda: 1, normalize: 1 }) // int8_mask changes no number
    }
  })

  test('a parameter that must be given is named with the model and the tensor', () => {
    const config = { ...both, parameters: { weight: [{ filter: 'mlp', value: 1 }] } }
    assert.throws(() => plan(config, models), {
      code: 'ERR_CONFIG',
      message: 'm.yaml: weight: expected a value for a at model.embed_tokens.weight, received nothing',
      hint: /parameters: \{weight: 1\}/,
    })
    const slerp = { merge_method: 'slerp', base_model: 'a', models: both.models }
    assert.throws(() => plan(slerp, models), {
      code: 'ERR_CONFIG',
      hint: /top level: parameters: \{t: 0.5\}/,
    })
  })

  test('della says which density and epsilon do not go together', () => {
    const della = { merge_method: 'della', base_model: 'c', models: both.models }
    const three = { ...models, c: model() }
    assert.throws(() => plan({ ...della, parameters: { weight: 1, density: 0.9 } }, three), {
      code: 'ERR_CONFIG',
      message: /density \+ epsilon below 1, received density 0.9 and epsilon 0.15 \(a, model.embed_tokens/,
    })
    for (const parameters of [{ weight: 1, density: 0.5 }, { weight: 1 }, { weight: 1, density: 1 }])
      assert.ok(plan({ ...della, parameters }, three))
  })

  test('what one model has and another has not is refused by name', () => {
    const holes = { a: model(), b: model({ without: [layer3] }) }
    assert.throws(() => plan(both, holes), {
      code: 'ERR_MISSING_TENSOR',
      message: new RegExp(`\\(1\\):\n  ${layer3}: not in b`),
      hint: /download/,
    })
  })

  test('rotary tables are left out and named', () => {
    const old = model()
    old.tensors.set('model.layers.0.self_attn.rotary_emb.inv_freq', { dtype: 'F32', shape: [4] })
    const { tensors, leftOut } = plan(both, { a: old, b: model() })
    assert.equal(tensors.length, models.a.tensors.size)
    assert.deepEqual(leftOut, ['model.layers.0.self_attn.rotary_emb.inv_freq'])
  })
})

describe('the head of a merge', () => {
  const tied = model({ tied: true })
  const both = { ...linear, models: [{ model: 'a' }, { model: 'b' }] }

  test('is none where all models are tied', () => {
    const { head, tensors } = plan(both, { a: tied, b: tied })
    assert.equal(head, false)
    assert.equal(tensors.at(-1).name, 'model.norm.weight')
  })

  test('is written where one model has its own; a tied one lends its embedding', () => {
    const planned = plan(both, { a: tied, b: model() })
    assert.ok(planned.head)
    assert.deepEqual(
      named(planned, 'lm_head.weight').inputs.map(({ tensor }) => tensor),
      ['model.embed_tokens.weight', 'lm_head.weight'],
    )
  })

  test('of a tied model that stores one is its embedding; mergekit takes the stored one', () => {
    const stored = model({ tied: true, head: true })
    assert.equal(plan(both, { a: stored, b: stored }).head, false)
    const compat = plan({ ...both, compat: 'mergekit' }, { a: stored, b: tied })
    assert.deepEqual(
      named(compat, 'lm_head.weight').inputs.map(({ tensor }) => tensor),
      ['lm_head.weight', 'model.embed_tokens.weight'],
    )
  })

  test('is written where tied models begin and end the stack', () => {
    const slices = ['a', 'b'].map((name) => ({ sources: [{ model: name, layer_range: [0, 2] }] }))
    const planned = plan({ merge_method: 'passthrough', slices }, { a: tied, b: tied })
    assert.deepEqual(named(planned, 'lm_head.weight').inputs, [
      { model: 'b', tensor: 'model.embed_tokens.weight', parameters: { scale: 1 } },
    ])
  })

  test('that a model should have and has not is refused', () => {
    assert.throws(() => plan(both, { a: model(), b: model({ head: false }) }), { code: 'ERR_MISSING_TENSOR' })
  })
})

describe('slices', () => {
  test('any stack of any ranges has the layers it names, in their order (property)', () => {
    const range = (layers) =>
      fc.tuple(fc.nat(layers - 1), fc.nat(layers - 1)).map(([x, y]) => [Math.min(x, y), Math.max(x, y) + 1])
    const models = { a: model({ layers: 6 }), b: model({ layers: 3 }) }
    const slice = fc.oneof(
      range(6).map((layer_range) => ({ model: 'a', layer_range })),
      range(3).map((layer_range) => ({ model: 'b', layer_range })),
    )
    fc.assert(
      fc.property(fc.array(slice, { minLength: 1, maxLength: 6 }), (stack) => {
        const slices = stack.map((source) => ({ sources: [source] }))
        const { tensors } = plan({ merge_method: 'passthrough', slices }, models)
        const expected = stack.flatMap(({ model, layer_range: [first, end] }) =>
          Array.from({ length: end - first }, (_, i) => [model, first + i]),
        )
        const layers = tensors.filter(({ name }) => name.includes('up_proj'))
        assert.deepEqual(
          layers.map(({ name, inputs: [{ model, tensor }] }) => [name, model, tensor]),
          expected.map(([model, from], i) => [
            `model.layers.${i}.mlp.up_proj.weight`,
            model,
            `model.layers.${from}.mlp.up_proj.weight`,
          ]),
        )
        assert.equal(tensors[0].inputs[0].model, stack[0].model)
        assert.equal(named({ tensors }, 'model.norm.weight').inputs[0].model, stack.at(-1).model)
      }),
    )
  })

  test('depth runs through each slice by itself, and a slice of one layer has the last value', () => {
    const slices = [
      { sources: [{ model: 'a', layer_range: [0, 3], parameters: { scale: [0, 2] } }] },
      { sources: [{ model: 'a', layer_range: [3, 4], parameters: { scale: [5, 7] } }] },
    ]
    const { tensors } = plan({ merge_method: 'passthrough', slices }, { a: model() })
    const scales = tensors
      .filter(({ name }) => name.includes('up_proj'))
      .map(({ inputs: [{ parameters }] }) => parameters.scale)
    assert.deepEqual(scales, [0, 1, 2, 7])
    assert.equal(named({ tensors }, 'lm_head.weight').inputs[0].parameters.scale, 5)
    assert.equal(named({ tensors }, 'model.embed_tokens.weight').inputs[0].parameters.scale, 0)
  })

  test('a value beside the source goes before that of the slice, and that before the top level', () => {
    const source = (name, parameters) => ({ model: name, layer_range: [0, 4], parameters })
    const slices = [{ sources: [source('a', { weight: 3 }), source('b')], parameters: { weight: 2 } }]
    const planned = plan({ ...linear, slices }, { a: model(), b: model() })
    assert.deepEqual(
      named(planned, layer0).inputs.map(({ parameters }) => parameters.weight),
      [3, 2],
    )
  })

  test('a base that is no source has the layers that all sources have; otherwise it must be one', () => {
    const source = (name, first) => ({ model: name, layer_range: [first, first + 2] })
    const config = { merge_method: 'task_arithmetic', base_model: 'c', parameters: { weight: 1 } }
    const models = { a: model(), b: model(), c: model() }
    const planned = plan({ ...config, slices: [{ sources: [source('a', 1), source('b', 1)] }] }, models)
    assert.equal(named(planned, layer0).base.tensor, 'model.layers.1.mlp.up_proj.weight')
    assert.throws(
      () => plan({ ...config, slices: [{ sources: [source('a', 0), source('b', 1)] }] }, models),
      {
        code: 'ERR_CONFIG',
        message: /slices.0: expected the layers of base_model c among its sources/,
        hint: /Add to sources/,
      },
    )
  })

  test('a slice may have a base of its own', () => {
    const source = (name) => ({ model: name, layer_range: [0, 2] })
    const config = { merge_method: 'task_arithmetic', base_model: 'c', parameters: { weight: 1 } }
    const slices = [{ sources: [source('a')], base_model: 'b' }, { sources: [source('a')] }]
    const models = { a: model(), b: model(), c: model() }
    const { tensors } = plan({ ...config, slices }, models)
    const bases = tensors.filter(({ name }) => name.includes('up_proj')).map(({ base }) => base.model)
    assert.deepEqual(bases, ['b', 'b', 'c', 'c'])
    assert.equal(named({ tensors }, 'model.embed_tokens.weight').base.model, 'b')
    assert.equal(named({ tensors }, 'model.norm.weight').base.model, 'c')
  })

  test('ranges beyond a model, and models of unequal depth without slices, are refused', () => {
    const models = { a: model(), b: model({ layers: 2 }) }
    const slices = [{ sources: [{ model: 'b', layer_range: [1, 3] }] }]
    assert.throws(() => plan({ merge_method: 'passthrough', slices }, models), {
      code: 'ERR_CONFIG',
      message: /slices.0.sources.0.layer_range: expected at most the 2 layers of b, received \[1, 3\]/,
      hint: /not part of it/,
    })
    assert.throws(() => plan({ ...linear, models: [{ model: 'a' }, { model: 'b' }] }, models), {
      code: 'ERR_CONFIG',
      message: /as many layers, received 4 \(a\) and 2 \(b\)/,
      hint: /slices/,
    })
  })
})

describe('the dtype of a merge', () => {
  const models = { a: model({ dtype: 'BF16' }), b: model({ dtype: 'F32' }) }
  const config = { ...linear, models: [{ model: 'a' }, { model: 'b' }] }
  const dtypes = (keys) => {
    const { dtype, working_dtype } = named(plan({ ...config, ...keys }, models), layer0)
    return [dtype, working_dtype]
  }

  test('is out_dtype, else dtype, else that of the base or the first model', () => {
    assert.deepEqual(dtypes({}), ['BF16', undefined])
    assert.deepEqual(dtypes({ dtype: 'float16' }), ['F16', undefined])
    assert.deepEqual(dtypes({ dtype: 'float16', out_dtype: 'float32' }), ['F32', undefined])
  })

  test('with compat is what mergekit works in, where out_dtype does not say more', () => {
    const compat = 'mergekit'
    assert.deepEqual(dtypes({ compat }), ['F32', 'F32']) // types that differ
    assert.deepEqual(dtypes({ compat, dtype: 'bfloat16' }), ['BF16', 'BF16'])
    assert.deepEqual(dtypes({ compat, dtype: 'float32', out_dtype: 'bfloat16' }), ['BF16', 'F32'])
  })
})
