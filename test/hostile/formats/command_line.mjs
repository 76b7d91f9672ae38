// Command lines, read in this process as the command reads them; and adapters and deltas, whose folders have a config
// beside their weights.
import { inspectDelta, mergeAdapter } from 'tongueforge'
import { readCommandLine } from '#lib/cli/program'
import { VERBS } from '#lib/cli/verbs'
import { applyOverrides } from '#lib/config/parse'
import { modelFiles } from '../making/model.mjs'
import { safetensors, tensorsFile } from '../making/safetensors.mjs'

const typed = (name, args, says = []) => ({
  name,
  call: async () => readCommandLine(args),
  code: 'ERR_USAGE',
  says,
})

/** Options that want a number, and texts that are none. */
const NUMBERS = ['--max-new-tokens', '--temperature', '--top-k', '--top-p', '--seed', '--threads']
const NO_NUMBERS = [
  '',
  ' ',
  'x',
  '1x',
  'NaN',
  'Infinity',
  '1e999',
  '--',
  '0x',
  '1,2',
  '9'.repeat(400),
  '\u001b[2J',
]
const WHOLE = NUMBERS.filter((flag) => !['--temperature', '--top-p'].includes(flag))

const commandLines = () => [
  typed('no command', [], ['command']),
  typed('an unknown command', ['frobnicate'], ['frobnicate']),
  typed('a command of 100,000 letters', ['x'.repeat(100_000)]),
  typed('a command that draws on the terminal', ['\u001b[2J\u001b[31m']),
  typed('a command that is __proto__', ['__proto__']),
  ...VERBS.flatMap(({ name, arguments: given }) => [
    typed(`${name} with an unknown option`, [name, ...given.map(() => 'x'), '--frobnicate']),
    typed(`${name} with --__proto__`, [name, ...given.map(() => 'x'), '--__proto__']),
  ]),
  ...NUMBERS.flatMap((flag) =>
    NO_NUMBERS.map((text) =>
      typed(
        `generate ${flag} ${JSON.stringify(text.slice(0, 10))}`,
        ['generate', 'm', '--prompt', 'x', `${flag}=${text}`],
        [flag],
      ),
    ),
  ),
  ...WHOLE.map((flag) =>
    typed(`generate ${flag} 1.5`, ['generate', 'm', '--prompt', 'x', flag, '1.5'], [flag]),
  ),
]

const set = (name, override, code = 'ERR_CONFIG') => ({
  name: `an override: ${name}`,
  call: async () => applyOverrides({ data: [], optimizer: { lr: 1 } }, [override]),
  code,
})
const overrides = () => [
  set('no key', '=1', 'ERR_USAGE'),
  set('no value', 'seed', 'ERR_USAGE'),
  set('a prototype', '__proto__.x=1'),
  set('a prototype further in', 'optimizer.__proto__.x=1'),
  set('a constructor', 'constructor.prototype.x=1'),
  set('a method', 'toString.x=1'),
  set('a key of a number', 'optimizer.lr.x=1'),
  set('a key of a list', 'data.x=1'),
  set('the hundred millionth of a list', 'data.99999999.path=1'),
  set('an alias', 'seed=*x'),
  set('a tag of a language', 'seed=!!js/function "x"'),
  set('an open list', 'seed=[1'),
  set('20,000 open lists', `seed=${'['.repeat(20_000)}`),
  set('a key twice', 'optimizer={lr: 1, lr: 2}'),
]

// ---- adapters ----

const factors = (changes = {}) =>
  tensorsFile({
    'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': { dtype: 'F32', shape: [2, 8] },
    'base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight': { dtype: 'F32', shape: [8, 2] },
    ...changes,
  })
const adapterConfig = (changes) => ({
  peft_type: 'LORA',
  r: 2,
  lora_alpha: 4,
  target_modules: ['q_proj'],
  ...changes,
})
const adapter = (name, config, weights = factors(), more = {}) => ({
  name: `an adapter: ${name}`,
  files: {
    ...modelFiles(),
    'adapter/adapter_config.json': config,
    ...(weights && { 'adapter/adapter_model.safetensors': weights }),
  },
  call: (folder) =>
    mergeAdapter({
      model: `${folder}/model`,
      adapter: `${folder}/adapter`,
      out: `${folder}/out`,
      dryRun: true,
    }),
  code: 'ERR_ADAPTER',
  file: 'adapter',
  ...more,
})
const KEYS = ['r', 'lora_alpha', 'use_rslora', 'rank_pattern', 'alpha_pattern', 'lora_dropout', 'peft_type']
const REFUSED = [
  'use_dora',
  'fan_in_fan_out',
  'use_qalora',
  'lora_bias',
  'layer_replication',
  'megatron_config',
  'target_parameters',
]

const adapters = () => [
  ...KEYS.map((key) =>
    adapter(`a wrong ${key}`, adapterConfig({ [key]: [[1]] }), undefined, { says: [key] }),
  ),
  ...REFUSED.map((key) =>
    adapter(`${key}, which is not done`, adapterConfig({ [key]: { x: 1 } }), undefined, { says: [key] }),
  ),
  ...[0, -1, 0.5, 1e308, '2'].map((r) => adapter(`a rank of ${JSON.stringify(r)}`, adapterConfig({ r }))),
  ...[0, -1, '4'].map((lora_alpha) =>
    adapter(`an alpha of ${JSON.stringify(lora_alpha)}`, adapterConfig({ lora_alpha })),
  ),
  adapter('a costly pattern', adapterConfig({ rank_pattern: { '(a+)+b': 2 } })),
  adapter('an initialisation that changes the base', adapterConfig({ init_lora_weights: 'pissa' })),
  adapter('IA3', adapterConfig({ peft_type: 'IA3' })),
  adapter('no JSON', 'adapter'),
  adapter('a list', '[]'),
  adapter('a key twice', JSON.stringify(adapterConfig()).replace('"r":2', '"r":2,"r":4')),
  adapter('100,000 open brackets', '['.repeat(100_000)),
  adapter('no weights', adapterConfig(), null, { code: 'ERR_NOT_FOUND' }),
  adapter('weights that are damaged', adapterConfig(), Buffer.alloc(30, 1), { code: 'ERR_SAFETENSORS' }),
  adapter(
    'weights with a hole',
    adapterConfig(),
    safetensors({ a: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, 8),
    { code: 'ERR_SAFETENSORS' },
  ),
  adapter(
    'an adapter on the embedding',
    adapterConfig(),
    factors({ 'base_model.model.model.embed_tokens.lora_embedding_A': { dtype: 'F32', shape: [2, 8] } }),
  ),
  adapter(
    'DoRA by its weights',
    adapterConfig(),
    factors({
      'base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector': { dtype: 'F32', shape: [8] },
    }),
  ),
  adapter('weights of another name', adapterConfig(), factors({ 'x.y': { dtype: 'F32', shape: [1] } })),
  adapter('well-formed', adapterConfig(), undefined, { code: undefined }),
]

// ---- deltas ----

const delta = (name, bytes, code = ['ERR_DELTA', 'ERR_SAFETENSORS']) => ({
  name: `a delta: ${name}`,
  files: { ...modelFiles({}, 'd/base'), ...modelFiles({}, 'd/chat'), 'd/delta.safetensors': bytes },
  call: (folder) => inspectDelta(`${folder}/d`),
  code,
  file: 'delta.safetensors',
})
const META = {
  format: 'tongueforge.delta',
  version: '1', // without checksums
  codec: 'dense',
  tool_version: '0',
  arithmetic: 'x',
  base: '{}',
  chat: '{}',
}
const one = { 'lm_head.weight': { dtype: 'F32', shape: [8, 8] } }

const deltas = () => [
  delta('an empty file', Buffer.alloc(0)),
  delta('no safetensors', Buffer.from('hello'.repeat(20))),
  delta('a weight file of a model', tensorsFile(one)),
  delta('another format', tensorsFile(one, { ...META, format: 'x' })),
  delta('no metadata but its format', tensorsFile(one, { format: 'tongueforge.delta' })),
  ...['codec', 'base', 'chat', 'arithmetic', 'tool_version'].map((key) => {
    const { [key]: _, ...rest } = META
    return delta(`no ${key}`, tensorsFile(one, rest))
  }),
  ...['', '0', '3', '01', '2 '].map((version) =>
    delta(`version '${version}'`, tensorsFile(one, { ...META, version })),
  ),
  delta('version 2 without checksums', tensorsFile(one, { ...META, version: '2' })),
  ...[
    { dtype: 'U8', shape: [1, 4] },
    { dtype: 'U8', shape: [2, 4] }, // all zero
    { dtype: 'U8', shape: [8] },
    { dtype: 'F32', shape: [2] },
  ].map((sums) =>
    delta(
      `checksums ${JSON.stringify(sums)}`,
      tensorsFile({ ...one, ':crc32': sums }, { ...META, version: '2' }),
    ),
  ),
  delta('an unknown codec', tensorsFile(one, { ...META, codec: 'frobnicate' })),
  delta('a sparse one without places', tensorsFile(one, { ...META, codec: 'sparse' })),
  delta('a low-rank one without factors', tensorsFile(one, { ...META, codec: 'low_rank' })),
]

export const commands = () => [...commandLines(), ...overrides(), ...adapters(), ...deltas()]
