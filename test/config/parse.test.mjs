// What a config that cannot be is told, whatever its schema.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { applyOverrides, checkConfig, parseYaml, readYaml } from '#lib/config/parse'
import { temporaryFolder } from '../helpers/folders.mjs'

const schema = z.strictObject({
  kind: z.enum(['linear', 'slerp'], { error: 'expected linear | slerp' }).optional(),
  count: z.number({ error: 'expected a number' }).optional(),
  table: z.record(z.string(), z.number()).optional(),
  named: z.record(z.string().regex(/^[a-z]+$/, 'expected small letters'), z.number()).optional(),
  fixed: z.literal('train').optional(),
  either: z
    .union(
      [
        z.enum(['linear', 'slerp']).transform((kind) => ({ kind })),
        z.strictObject({ kind: z.string(), scale: z.number({ error: 'expected a number' }).optional() }),
      ],
      { error: 'expected a kind, or { kind }' },
    )
    .optional(),
  list: z.array(z.number({ error: 'expected a number' })).optional(),
  stages: z
    .array(
      z.discriminatedUnion('method', [
        z.strictObject({ method: z.literal('heads'), keep: z.number() }),
        z.strictObject({ method: z.literal('rows'), rest: z.number().optional() }),
      ]),
    )
    .optional(),
})

const refused = (config, message, hint) =>
  assert.throws(() => checkConfig(schema, config, 'c.yaml'), { code: 'ERR_CONFIG', message, hint })

describe('a refused config', () => {
  test('that is no table is told in our words', () => {
    refused(null, 'c.yaml: (top level): expected object, received nothing', undefined)
    refused([1], 'c.yaml: (top level): expected object, received [1]', undefined)
  })

  test('has its numbers shown as they are, those that JSON has not too', () => {
    refused({ count: Number.NaN }, 'c.yaml: count: expected a number, received NaN', undefined)
    refused(
      { count: Number.POSITIVE_INFINITY },
      'c.yaml: count: expected a number, received Infinity',
      undefined,
    )
    refused({ count: [-1 / 0] }, 'c.yaml: count: expected a number, received ["-Infinity"]', undefined)
    refused({ count: null }, 'c.yaml: count: expected a number, received nothing', undefined)
  })

  test('has the nearest word where one of a few was expected', () => {
    refused({ kind: 'lineer' }, /expected linear \| slerp, received "lineer"/, "Did you mean 'linear'?")
    refused({ kind: 'mean' }, /expected linear \| slerp, received "mean"/, undefined)
  })

  test('has the keys and words of the kind of object that was meant', () => {
    refused(
      { stages: [{ method: 'head' }] },
      'c.yaml: stages.0.method: expected heads | rows, received "head"',
      "Did you mean 'heads'?",
    )
    refused({ stages: [{}] }, 'c.yaml: stages.0.method: expected heads | rows, received nothing', undefined)
    refused({ stages: ['heads'] }, 'c.yaml: stages.0: expected object, received "heads"', undefined)
    const unknown = {
      stages: [
        { method: 'heads', keep: 1 },
        { method: 'rows', kep: 1, rest: 2 },
      ],
    }
    refused(unknown, 'c.yaml: stages.1.kep: unknown key', 'Known keys: method, rest.')
    unknown.stages[1] = { method: 'rows', resst: 1 }
    refused(unknown, 'c.yaml: stages.1.resst: unknown key', "Did you mean 'rest'?")
  })

  test('is told of the key inside where a value is of one of several kinds', () => {
    const table = (keys) => ({ either: { kind: 'linear', ...keys } })
    refused(table({ scale: 'x' }), 'c.yaml: either.scale: expected a number, received "x"', undefined)
    refused(table({ sale: 1 }), 'c.yaml: either.sale: unknown key', "Did you mean 'scale'?")
    refused({ either: 'liner' }, /either: expected a kind, or \{ kind \}/, "Did you mean 'linear'?")
    refused({ either: 3 }, 'c.yaml: either: expected a kind, or { kind }, received 3', undefined)
  })

  test('has names of tables, fixed words and what is no table told in our words', () => {
    refused({ named: { 'x/y': 1 } }, 'c.yaml: named.x/y: expected small letters, received "x/y"', undefined)
    refused({ named: 3 }, 'c.yaml: named: expected a table of names, received 3', undefined)
    refused({ fixed: 'merge' }, /^c\.yaml: fixed: expected "train", received "merge"$/, undefined)
  })

  test('that is no YAML is told the place', async () => {
    assert.throws(() => parseYaml('task: [a\n', 'c.yaml'), {
      code: 'ERR_CONFIG',
      message: /^c\.yaml: not YAML: .* at line 2, column 1$/,
      hint: 'Look at that place and the line before it.',
    })
  })

  test('may not name a prototype, even where names are free', () => {
    const config = JSON.parse('{ "table": { "a": 1, "__proto__": 2 } }')
    refused(config, 'c.yaml: table.__proto__: unknown key', undefined)
    refused(JSON.parse('{ "__proto__": 2 }'), /^c.yaml: __proto__: unknown key$/, /Known keys: kind/)
  })

  test('that is a folder is told so', async () => {
    const folder = join(temporaryFolder(), 'config.yaml')
    mkdirSync(folder)
    await assert.rejects(readYaml(folder), {
      code: 'ERR_CONFIG',
      message: `${folder}: expected a config file, received a folder or device`,
      hint: 'Give the YAML file; recipes/ of the package holds configs to start from.',
    })
  })
})

test('overrides that are no list of pairs are refused in one sentence', () => {
  for (const [overrides, received] of [
    ['steps=3', /received "steps=3"$/],
    [{ steps: 3 }, /received \{"steps":3\}$/],
    [[3], /received \[3\]$/],
  ])
    assert.throws(
      () => applyOverrides({}, overrides),
      (error) => {
        assert.equal(error.code, 'ERR_USAGE')
        assert.match(error.message, /^overrides: expected a list of key\.path=value, /)
        assert.match(error.message, received)
        assert.match(error.hint, /optimizer\.lr/)
        return true
      },
    )
  assert.deepEqual(applyOverrides({ a: 1 }, ['a=2']), { a: 2 })
})
