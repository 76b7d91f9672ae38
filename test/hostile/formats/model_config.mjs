// config.json of every registered architecture: sizes of all kinds, types of all kinds, through `inspect`, which counts a
// model without weights, and `loadModel`, which must refuse before it takes memory.
import { inspect, loadModel } from 'tongueforge'
import { ARCHITECTURES } from '#lib/checkpoint/model_config'
import { hubertConfig, melHubertConfig } from '../../helpers/tiny_speech.mjs'
import { config, modelFiles } from '../making/model.mjs'

const encoder = (model_type, architecture) => ({
  ...{ model_type, architectures: [architecture], vocab_size: 16, hidden_size: 8, intermediate_size: 16 },
  ...{ num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32, hidden_act: 'gelu' },
})

/** A config of each architecture that is good. */
const CONFIGS = {
  ...Object.fromEntries(ARCHITECTURES.map((model_type) => [model_type, config({ model_type, head_dim: 4 })])),
  bert: encoder('bert', 'BertForMaskedLM'),
  roberta: encoder('roberta', 'RobertaForMaskedLM'),
  melhubert: melHubertConfig(),
  hubert: hubertConfig(),
  wav2vec2: hubertConfig({ model_type: 'wav2vec2', architectures: ['Wav2Vec2Model'] }),
}

const count = (folder) => inspect(`${folder}/model`, { macs: true, ...lengthOf(folder) })
const speaks = (model_type) => ['melhubert', 'hubert', 'wav2vec2'].includes(model_type)
const lengths = new Map()
const lengthOf = (folder) => lengths.get(folder) ?? { tokens: 4 }

/** `type`: whether it hears or reads, which is what a pass is measured in. */
const row = (name, type, content, says = []) => ({
  name,
  files: (folder) => {
    lengths.set(folder, speaks(type) ? { seconds: 1 } : { tokens: 4 })
    return { 'model/config.json': content }
  },
  call: count,
  code: 'ERR_MODEL_CONFIG',
  file: 'config.json',
  says,
})

const SIZES = ['hidden_size', 'intermediate_size', 'num_hidden_layers', 'num_attention_heads']
const TEXT_SIZES = ['vocab_size', 'max_position_embeddings']
const NO_SIZES = [-1, 0, 0.5, 2 ** 31, 2 ** 53, 1e308, '8', true, [8], { size: 8 }, 'NaN', null]

const sizes = () =>
  Object.entries(CONFIGS).flatMap(([type, whole]) =>
    [...SIZES, ...(speaks(type) ? [] : TEXT_SIZES)].flatMap((key) =>
      NO_SIZES.map((value) =>
        row(`${type}: ${key} is ${JSON.stringify(value)}`, type, { ...whole, [key]: value }, [key]),
      ),
    ),
  )

const without = (key) => ({ ...CONFIGS.llama, [key]: undefined })
const llama = (changes) => ({ ...CONFIGS.llama, ...changes })

/** Values that contradict each other, or that nobody runs. */
const CONTRADICTIONS = {
  'no model_type': without('model_type'),
  'a model_type of another kind': llama({ model_type: 7 }),
  'a model_type that nobody knows': llama({ model_type: 'frobnicate' }),
  'a model_type that is __proto__': llama({ model_type: '__proto__' }),
  'a model_type that is constructor': llama({ model_type: 'constructor' }),
  'a model_type of a megabyte': llama({ model_type: 'x'.repeat(2 ** 20) }),
  'a model_type that draws on the terminal': llama({ model_type: '\u001b[2J' }),
  'no hidden_size': without('hidden_size'),
  'no layers': without('num_hidden_layers'),
  'heads that do not divide': llama({ head_dim: undefined, num_attention_heads: 3, num_key_value_heads: 1 }),
  'groups that do not divide': llama({ num_attention_heads: 4, num_key_value_heads: 3 }),
  'more groups than heads': llama({ num_key_value_heads: 4 }),
  'an odd head': llama({ head_dim: 3 }),
  'a head of 0': llama({ head_dim: 0 }),
  'ten trillion parameters': llama({
    hidden_size: 2 ** 20,
    intermediate_size: 2 ** 22,
    num_hidden_layers: 4096,
  }),
  'an unknown activation': llama({ hidden_act: 'frobnicate' }),
  'an epsilon of -1': llama({ rms_norm_eps: -1 }),
  'an epsilon as a text': llama({ rms_norm_eps: '1e-5' }),
  'a base of rope of 0': llama({ rope_theta: 0 }),
  'a base of rope of -1': llama({ rope_theta: -1 }),
  'a base of rope of 1e300': llama({ rope_theta: 1e300 }),
  'a base of rope as a text': llama({ rope_theta: '10000' }),
  'rope of an unknown kind': llama({ rope_scaling: { rope_type: 'frobnicate', factor: 2 } }),
  'rope scaled by 0': llama({ rope_scaling: { rope_type: 'linear', factor: 0 } }),
  'rope scaled by -2': llama({ rope_scaling: { rope_type: 'linear', factor: -2 } }),
  'rope scaled by a text': llama({ rope_scaling: { rope_type: 'linear', factor: '2' } }),
  'rope scaled by nothing': llama({ rope_scaling: { rope_type: 'linear' } }),
  'rope as a text': llama({ rope_scaling: 'linear' }),
  'rope as a list': llama({ rope_scaling: [1] }),
  'an unknown dtype': llama({ torch_dtype: 'float7' }),
  'a dtype as a number': llama({ torch_dtype: 16 }),
  'a tied head as a text': llama({ tie_word_embeddings: 'yes' }),
  'a bias as a number': llama({ attention_bias: 1 }),
  'layer types as a text': llama({ layer_types: 'full_attention' }),
  'an unknown quantisation': llama({ quantization_config: { quant_method: 'frobnicate' } }),
  'a quantisation as a text': llama({ quantization_config: 'int4' }),
  'quantised by 3 bits': llama({
    quantization_config: {
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      config_groups: {
        group_0: { weights: { num_bits: 3, type: 'int', symmetric: true, strategy: 'channel' } },
      },
    },
  }),
  'an end of sequence of -5': llama({ eos_token_id: -5 }),
  'an end of sequence of 2^40': llama({ eos_token_id: 2 ** 40 }),
  'an end of sequence as a text': llama({ eos_token_id: '2' }),
  'an end of sequence as a table': llama({ eos_token_id: { id: 2 } }),
  'layers of its own as a text': llama({ layers: 'x' }),
}

const good = JSON.stringify(CONFIGS.llama)
const FILES = {
  'an empty file': '',
  'a file cut short': good.slice(0, 40),
  'no JSON': 'model',
  'a list': '[]',
  null: 'null',
  'a number': '7',
  'a text': '"llama"',
  'no keys': '{}',
  'bytes that are no UTF-8': Buffer.from('{"model_type":"\xff"}', 'latin1'),
  'UTF-16': Buffer.from(good, 'utf16le'),
  'a comma at the end': `${good.slice(0, -1)},}`,
  'a comment': `// a comment\n${good}`,
  'NaN for a size': good.replace('"hidden_size":8', '"hidden_size":NaN'),
  'Infinity for a size': good.replace('"hidden_size":8', '"hidden_size":Infinity'),
  'a size of 1e999': good.replace('"hidden_size":8', '"hidden_size":1e999'),
  'two documents': good + good,
  'a NUL at its end': `${good}\0`,
  'a size twice': good.replace('"hidden_size":8', '"hidden_size":8,"hidden_size":16'),
  'a size twice through an escape': good.replace('"hidden_size":8', '"hidden_size":8,"hidden\\u005fsize":16'),
  'a key twice in a table': `${good.slice(0, -1)},"x":{"a":1,"a":2}}`,
  '5 MB of blanks': `${good}${' '.repeat(5 * 2 ** 20)}`,
  'lists within each other, 300 deep': `${good.slice(0, -1)},"x":${'['.repeat(300)}${']'.repeat(300)}}`,
  'lists within each other, 100,000 deep': `${good.slice(0, -1)},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  'a size that is 50,000 lists': good.replace(
    '"hidden_size":8',
    `"hidden_size":${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  ),
  '100,000 open brackets': '['.repeat(100_000),
  'a wrong size of a megabyte': good.replace('"hidden_size":8', `"hidden_size":"${'x'.repeat(2 ** 20)}"`),
}

/** Configs that are good, of weights that are not theirs: refused from headers alone. */
const OTHERS = {
  'a hundred layers of which one is there': [
    llama({ num_hidden_layers: 100, head_dim: undefined }),
    'ERR_MISSING_TENSOR',
  ],
  'half of the width': [llama({ hidden_size: 4, head_dim: 4 }), 'ERR_SHAPE_MISMATCH'],
  'a billion of parameters': [
    llama({ hidden_size: 4096, intermediate_size: 16384, head_dim: 128 }),
    'ERR_SHAPE_MISMATCH',
  ],
  '30 billion of parameters': [
    llama({ hidden_size: 8192, intermediate_size: 32768, num_hidden_layers: 32, head_dim: 128 }),
    ['ERR_SHAPE_MISMATCH', 'ERR_MISSING_TENSOR'],
  ],
  'a vocabulary of 16 million': [llama({ vocab_size: 2 ** 24 }), 'ERR_SHAPE_MISMATCH'],
  'a bias that is not there': [llama({ attention_bias: true }), 'ERR_MISSING_TENSOR'],
  'norms of heads that are not there': [llama({ model_type: 'qwen3' }), 'ERR_MISSING_TENSOR'],
}

export const modelConfigs = () => [
  ...sizes(),
  ...Object.entries(CONTRADICTIONS).map(([name, content]) => row(name, 'llama', content)),
  ...Object.entries(FILES).map(([name, content]) => row(name, 'llama', content)),
  ...Object.entries(OTHERS).map(([name, [content, code]]) => ({
    name: `weights of another model: ${name}`,
    files: modelFiles({ 'config.json': content }),
    call: async (folder) => (await loadModel(`${folder}/model`, { threads: 1 })).dispose(),
    code,
    file: 'model',
  })),
  ...Object.entries(CONFIGS).map(([type, content]) => ({
    ...row(`well-formed: ${type}`, type, content),
    code: undefined,
  })),
  ...['\ufeff', '\n\n  '].map((head) => ({
    ...row(`well-formed: ${JSON.stringify(head)} before it`, 'llama', head + good),
    code: undefined,
  })),
  {
    ...row('well-formed: keys that nobody knows', 'llama', llama({ x: { y: [1, null, 'z'] } })),
    code: undefined,
  },
  { ...row('well-formed: -1 for no end of sequence', 'llama', llama({ eos_token_id: -1 })), code: undefined },
  {
    ...row('well-formed: many ends of sequence', 'llama', llama({ eos_token_id: [1, 2, 3] })),
    code: undefined,
  },
  {
    ...row(
      'well-formed: a key __proto__, which is dropped',
      'llama',
      `${good.slice(0, -1)},"__proto__":{"a":1}}`,
    ),
    code: undefined,
  },
]
