// YAML configs of every verb that takes one: read as a command would, in a dry run.
import { readFileSync } from 'node:fs'
import { adapt, clusters, compress, evaluate, landscape, merge, probe, sweep } from 'tongueforge'
import { parse } from 'yaml'
import { adaptSchema } from '#lib/config/adapt'
import { clustersSchema } from '#lib/config/clusters'
import { compressSchema } from '#lib/config/compress'
import { evaluateSchema } from '#lib/config/evaluate'
import { landscapeSchema } from '#lib/config/landscape'
import { mergeSchema } from '#lib/config/merge'
import { probeSchema } from '#lib/config/probe'
import { sweepSchema } from '#lib/config/sweep'
import { trainSchema } from '#lib/config/train'
import { train } from '#lib/verbs/train'

const FILE = 'config.yaml'
const dry = { dryRun: true }

/** What reads a config, the keys that it knows, and a recipe to spoil. */
const VERBS = {
  train: [(file) => train(file, dry).result, trainSchema, 'tiny_cp'],
  merge: [(file) => merge(file, { ...dry, out: `${file}.out` }), mergeSchema, 'merge_linear'],
  sweep: [(file) => sweep(file, dry).result, sweepSchema, 'sweep'],
  compress: [(file) => compress(file, dry).result, compressSchema, 'compress_tiny'],
  landscape: [(file) => landscape(file, dry).result, landscapeSchema, 'landscape'],
  adapt: [(file) => adapt(file, dry).result, adaptSchema, 'adapt_tiny'],
  evaluate: [(file) => evaluate(file, dry).result, evaluateSchema, 'mt_bench'],
  clusters: [(file) => clusters(file, dry), clustersSchema, 'clusters'],
  probe: [(file) => probe(file, dry), probeSchema, 'probe_digits'],
}

const many = (count, row) => Array.from({ length: count }, (_, i) => row(i))

/** Texts that are no config of any verb. */
const TEXTS = {
  'an empty file': '',
  'a comment alone': '# nothing\n',
  null: '~\n',
  'a text': 'train\n',
  'a number': '7\n',
  'a list': '- 1\n- 2\n',
  'bytes that are no UTF-8': Buffer.from('a: "\xff\xfe"\n', 'latin1'),
  'UTF-16': Buffer.from('\ufeffseed: 1\n', 'utf16le'),
  'a binary file': Buffer.from(many(512, (i) => i % 256)),
  'a broken quote': 'seed: "1\n',
  'a broken list': 'seed: [1, 2\n',
  'a tab for blanks': 'data:\n\t- path: a\n',
  'wrong indentation': 'data:\n   - path: a\n  - path: b\n',
  'two documents': 'seed: 1\n---\nseed: 2\n',
  'a key twice': 'seed: 1\nseed: 2\n',
  'a key twice through quotes': 'seed: 1\n"seed": 2\n',
  'a key twice in a table': 'x: {a: 1, a: 2}\n',
  'an alias': 'x: &x 1\nseed: *x\n',
  'aliases that grow': `a: &a [x, x, x, x, x, x, x, x, x]\n${many(8, (i) => `${'bcdefghi'[i]}: &${'bcdefghi'[i]} [${many(9, () => `*${'abcdefgh'[i]}`).join(',')}]`).join('\n')}\n`,
  'a merge key': '<<: {seed: 1}\n',
  'a merge key by a directive': '%YAML 1.1\n---\n<<: {seed: 1}\n',
  'a directive': '%FOO bar\n---\nseed: 1\n',
  'a tag of a language': 'x: !!js/function "function () {}"\n',
  'a tag of Python': 'x: !!python/object/apply:os.system ["id"]\n',
  'a tag of its own': 'x: !foo 1\n',
  '20,000 open lists': '['.repeat(20_000),
  '20,000 open tables': '{a: '.repeat(20_000),
  '20,000 dashes': `${'- '.repeat(20_000)}a`,
  '20,000 question marks': '? '.repeat(20_000),
  '20,000 anchors of one value': `${'&a '.repeat(20_000)}1`,
  '20,000 tags of one value': `${'!!str '.repeat(20_000)}a`,
  '60,000 keys': many(60_000, (i) => `k${i}: 1`).join('\n'),
  '60,000 keys in a row': `{${many(60_000, (i) => `k${i}: 1`).join(', ')}}`,
  '400,000 numbers': `data: [${'1,'.repeat(400_000)}]`,
  '200,000 dashes below each other': `data:\n${'- 1\n'.repeat(200_000)}`,
  '100,000 documents': '---\n'.repeat(100_000),
  '900,000 empty lines': `${'\n'.repeat(900_000)}seed: 1`,
  '5 MB': `# ${'x'.repeat(5_000_000)}\n`,
}

/** Keys that no verb has, as they stand in a table of JSON. */
const KEYS = {
  'an unknown key': 'frobnicate',
  'an unknown key that is nearly one': 'ouut',
  'an unknown key of 900 characters': 'k'.repeat(900),
  'an unknown key that draws on the terminal': '\\u001b[2J\\u001b[31m',
  'a key that is a number': '7',
  'an empty key': '',
  'a key that is __proto__': '__proto__',
  'a key that is constructor': 'constructor',
  'a merge key between quotes': '<<',
}

/** A value that no key takes. */
const WRONG = [[{ no: ['no'] }]]
/** Keys whose tables are free, or that are looked at later than others. */
const FREE = new Set(['verb'])

export const yamlConfigs = () => Object.entries(VERBS).flatMap(([verb, row]) => rowsOf(verb, ...row))

function rowsOf(verb, read, schema, recipe) {
  const whole = parse(readFileSync(new URL(`../../../recipes/${recipe}.yaml`, import.meta.url), 'utf8'))
  const text = JSON.stringify(whole)
  const row = (name, text, says = []) => ({
    name: `${verb}: ${name}`,
    files: { [FILE]: text },
    call: (folder) => read(`${folder}/${FILE}`),
    code: 'ERR_CONFIG',
    file: FILE,
    says,
  })
  const keys = Object.keys(schema.shape ?? schema.def?.in?.shape ?? {}).filter((key) => !FREE.has(key))
  return [
    ...Object.entries(TEXTS).map(([name, text]) => row(name, text)),
    ...keys.map((key) => row(`a wrong value of ${key}`, JSON.stringify({ ...whole, [key]: WRONG }), [key])),
    ...Object.entries(KEYS).map(([name, key]) => row(name, `${text.slice(0, -1)},"${key}": {"a": 1}}`)),
    ...['[]', '{}', '""', '-1', '1e999', '9007199254740993', 'null'].map((value) =>
      row(`a first key of ${value}`, `{"frobnicate": ${value}, ${text.slice(1)}`, ['frobnicate']),
    ),
    { ...row('a folder for a file', ''), files: { [`${FILE}/x`]: '' } },
    { ...row('a file that is not there', ''), files: {}, code: 'ERR_NOT_FOUND' },
  ]
}
