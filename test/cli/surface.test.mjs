// The command line is an interface that others script against. A change here is a change for them: say it in
// CHANGELOG.md, and prefer a key of a config to a new option.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VERBS } from '#lib/cli/verbs'

const MODEL = [
  '--adapter <folder>',
  '--device <device>',
  '--dtype <dtype>',
  '--threads <n>',
  '--sparse <how>',
  '--quantized <how>',
]
const TEXTS = ['--text <text>', '--file <file>', '--truncate', ...MODEL.slice(1), '--json']
const SAMPLING = [
  '--max-new-tokens <n>',
  '--temperature <t>',
  '--top-k <k>',
  '--top-p <p>',
  '--min-p <p>',
  '--repetition-penalty <r>',
  '--stop <text>',
  '--seed <n>',
]

const SURFACE = {
  demo: ['--out <folder>', '--seed <n>', '--overwrite', '--json'],
  adapt: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  train: ['<config>', '[overrides...]', '--dry-run', '--show-batch', '--resume', '--overwrite', '--json'],
  graft: [
    '--target <model>',
    '--base <model>',
    '--chat <model>',
    '--out <folder>',
    '--scale <x>',
    '--sparsify <method:density>',
    '--seed <n>',
    '--residual',
    '--threads <n>',
    '--dry-run',
    '--resume',
    '--overwrite',
    '--json',
  ],
  merge: ['<config>', '<out>', '--threads <n>', '--dry-run', '--resume', '--overwrite', '--json'],
  sweep: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  compress: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  landscape: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  evaluate: [
    '<models...>',
    '--tasks <names>',
    '--data <folder>',
    '--out <folder>',
    '--limit <n>',
    '--num-fewshot <n>',
    '--fewshot-seed <n>',
    '--chat-template',
    '--fewshot-as-multiturn',
    '--system-instruction <text>',
    '--max-length <n>',
    '--batch-tokens <n>',
    '--judge-model <name>',
    '--judge-url <url>',
    '--device <device>',
    '--dtype <dtype>',
    '--threads <n>',
    '--dry-run',
    '--resume',
    '--overwrite',
    '--json',
  ],
  report: ['<folders...>', '--out <file>', '--title <text>', '--overwrite', '--json'],
  clusters: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  probe: ['<config>', '[overrides...]', '--dry-run', '--resume', '--overwrite', '--json'],
  launch: ['<command...>', '--processes <n>'],
  delta: [
    '<action>',
    '[folder]',
    '--base <model>',
    '--chat <model>',
    '--target <model>',
    '--delta <folder>',
    '--out <folder>',
    '--format <format>',
    '--density <d>',
    '--rank <r>',
    '--energy <share>',
    '--factor-dtype <dtype>',
    '--group <n>',
    '--scale <x>',
    '--force',
    '--threads <n>',
    '--dry-run',
    '--resume',
    '--overwrite',
    '--json',
  ],
  adapter: [
    '<action>',
    '--model <model>',
    '--adapter <folder>',
    '--out <folder>',
    '--dry-run',
    '--overwrite',
    '--json',
  ],
  vocab: [
    '<action>',
    '--data <source>',
    '--out <folder>',
    '--model <model>',
    '--size <n>',
    '--tokens <n>',
    '--coverage <share>',
    '--min-count <n>',
    '--max-token-length <n>',
    '--special <token>',
    '--bos <token>',
    '--eos <token>',
    '--pad <token>',
    '--chat-template <file>',
    '--like <folder>',
    '--held-out <source>',
    '--pad-to-multiple-of <n>',
    '--threads <n>',
    '--dry-run',
    '--overwrite',
    '--json',
  ],
  convert: ['<file>', '--out <folder>', '--statistics <file>', '--dry-run', '--overwrite', '--json'],
  generate: ['<model>', '--prompt <text>', '--prompt-ids <ids>', '--chat', ...SAMPLING, ...MODEL, '--json'],
  chat: ['<model>', '--system <text>', ...SAMPLING, ...MODEL],
  score: ['<model>', '--file <file>', '--text <text>', ...MODEL, '--json'],
  embed: ['<model>', '--pooling <how>', '--normalize', ...TEXTS],
  classify: ['<model>', ...TEXTS],
  attention: [
    '<model>',
    '--data <source>',
    '--pruned <run>',
    '--limit <n>',
    '--seed <n>',
    ...MODEL.slice(1, 4),
    '--json',
  ],
  inspect: [
    '<model>',
    '--scan',
    '--macs',
    '--speed',
    '--tokens <n>',
    '--seconds <s>',
    ...MODEL.slice(1),
    '--json',
  ],
  verify: ['<model>', '--chunks <n>', '--all', '--seed <n>', '--json'],
  doctor: ['--json'],
  setup: ['--from <folder>', '--clean', '--cuda', '--json'],
}

test('the commands and their options are the frozen ones', () => {
  const surface = VERBS.map((verb) => [
    verb.name,
    [...verb.arguments.map(({ name }) => name), ...verb.options.map(({ flags }) => flags)],
  ])
  assert.deepEqual(Object.fromEntries(surface), SURFACE)
})

test('every command opens its help with one to three examples of itself', () => {
  for (const { name, examples } of VERBS) {
    assert.ok(examples.length >= 1 && examples.length <= 3, name)
    for (const example of examples) assert.equal(example.split(' ')[0], name)
  }
})
