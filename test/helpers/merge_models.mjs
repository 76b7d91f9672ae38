// The tiny Llama models that the mergekit cases name, made anew wherever they are wanted: the same names give the same
// bytes on every machine, so that the golden results need no stored inputs. A row of MODELS is a folder; `near` makes a
// model that much away from another, as models are that were trained from one start; `frozen` names tensors that stayed as
// they were, `blank` those that are zeros.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '#lib/text/random'
import { writeArrays } from './safetensors.mjs'

const WORDS = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 61 }, (_, i) => `w${String(i).padStart(2, '0')}`),
]
const CHAT_WORDS = [...WORDS, '<|im_start|>', '<|im_end|>']
const MORE_WORDS = [...WORDS, ...Array.from({ length: 16 }, (_, i) => `x${String(i).padStart(2, '0')}`)]
const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' + message['content'] + '<|im_end|>' }}{% endfor %}"

/** Widths: of the live suite, and of the golden results, whose files have to be small. */
export const SIZES = {
  live: { hidden: 32, inner: 48 },
  golden: { hidden: 8, inner: 12 },
}

const DEFAULTS = { layers: 2, words: WORDS, rows: 0, dtype: 'float32', shards: 1, tied: false }

/** What each folder holds. `rows`: rows of the embedding and the head beyond the words. */
export const MODELS = {
  origin: { seed: 1 },
  a: { seed: 2, near: ['origin', 0.02] },
  b: { seed: 3, near: ['origin', 0.02] },
  c: { seed: 4, near: ['origin', 0.02] },
  d: { seed: 5, near: ['origin', 0.02] },
  close: { seed: 6, near: ['origin', 0.0005] },
  faint: { seed: 12, near: ['origin', 1e-4] },
  fainter: { seed: 13, near: ['origin', 1e-5] },
  frozen: { seed: 14, near: ['origin', 0.02], frozen: /self_attn|norm/ },
  blank: { seed: 15, blank: /self_attn/ },
  apart: { seed: 7 },
  origin_bf16: { seed: 1, dtype: 'bfloat16' },
  a_bf16: { seed: 2, near: ['origin', 0.02], dtype: 'bfloat16' },
  b_bf16: { seed: 3, near: ['origin', 0.02], dtype: 'bfloat16' },
  b_f16: { seed: 3, near: ['origin', 0.02], dtype: 'float16' },
  origin_in_shards: { seed: 1, shards: 2 },
  a_in_shards: { seed: 2, near: ['origin', 0.02], shards: 3 },
  tied_origin: { seed: 1, tied: true },
  tied_a: { seed: 2, near: ['origin', 0.02], tied: true },
  four_origin: { seed: 1, layers: 4 },
  four_a: { seed: 2, near: ['origin', 0.02], layers: 4 },
  four_b: { seed: 3, near: ['origin', 0.02], layers: 4 },
  twelve_a: { seed: 2, near: ['origin', 0.02], layers: 12 },
  twelve_b: { seed: 3, near: ['origin', 0.02], layers: 12 },
  chat: { seed: 8, near: ['origin', 0.02], words: CHAT_WORDS, template: CHAT_TEMPLATE },
  wide: { seed: 9, near: ['origin', 0.02], words: MORE_WORDS },
  reordered: { seed: 10, near: ['origin', 0.02], words: [...WORDS.slice(0, 3), ...WORDS.slice(3).reverse()] },
  padded: { seed: 11, near: ['origin', 0.02], rows: 8 },
}

/** PEFT adapters on `origin`. */
export const ADAPTERS = {
  adapter: {
    seed: 21,
    rank: 4,
    alpha: 6,
    modules: ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.down_proj'],
  },
}

/** Writes the named models and adapters as folders of `root`, each once. */
export function writeMergeModels(root, names, size = SIZES.live) {
  for (const name of new Set(names)) {
    if (name in ADAPTERS) writeAdapter(join(root, name), ADAPTERS[name], size)
    else writeModel(join(root, name), { ...DEFAULTS, ...MODELS[name] }, size)
  }
}

/** The words of a model in the order of its rows. */
export const wordsOf = (name) => MODELS[name].words ?? WORDS

function writeModel(folder, model, size) {
  mkdirSync(folder, { recursive: true })
  const json = (name, content) => writeFileSync(join(folder, name), `${JSON.stringify(content, null, 1)}\n`)
  json('config.json', configOf(model, size))
  json('tokenizer.json', tokenizerJson(model))
  json('tokenizer_config.json', tokenizerConfig(model))
  json('generation_config.json', { bos_token_id: 1, eos_token_id: 2 })
  const names = Object.entries(shapesOf(model, size))
  const tensors = names.map(([name, shape]) => ({
    name,
    shape,
    dtype: model.dtype,
    data: valuesOf(model, name, shape),
  }))
  if (model.shards === 1) return writeArrays(join(folder, 'model.safetensors'), tensors)
  const weightMap = {}
  for (let shard = 0; shard < model.shards; shard++) {
    const file = `model-0000${shard + 1}-of-0000${model.shards}.safetensors`
    const part = tensors.filter((_, i) => i % model.shards === shard)
    for (const { name } of part) weightMap[name] = file
    writeArrays(join(folder, file), part)
  }
  const bytes = tensors.reduce((sum, { data, dtype }) => sum + data.length * (dtype === 'float32' ? 4 : 2), 0)
  json('model.safetensors.index.json', { metadata: { total_size: bytes }, weight_map: weightMap })
}

function configOf({ layers, words, rows, dtype, tied }, { hidden, inner }) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 128,
    vocab_size: words.length + rows,
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: tied,
    torch_dtype: dtype,
  }
}

function shapesOf({ layers, words, rows, tied }, { hidden, inner }) {
  const vocabulary = [words.length + rows, hidden]
  const shapes = { 'model.embed_tokens.weight': vocabulary }
  for (let layer = 0; layer < layers; layer++) {
    for (const name of ['q', 'k', 'v', 'o'])
      shapes[`model.layers.${layer}.self_attn.${name}_proj.weight`] = [hidden, hidden]
    for (const name of ['gate', 'up'])
      shapes[`model.layers.${layer}.mlp.${name}_proj.weight`] = [inner, hidden]
    shapes[`model.layers.${layer}.mlp.down_proj.weight`] = [hidden, inner]
    for (const name of ['input', 'post_attention'])
      shapes[`model.layers.${layer}.${name}_layernorm.weight`] = [hidden]
  }
  shapes['model.norm.weight'] = [hidden]
  if (!tied) shapes['lm_head.weight'] = vocabulary
  return shapes
}

/** Values of one tensor (row-major). A row that belongs to a word depends on the word, not on the row's number. */
function valuesOf({ seed, near, words, frozen, blank }, name, [rows, width = 1]) {
  const [origin, given] = near ?? []
  const distance = frozen?.test(name) ? 0 : given
  const ofWords = /embed_tokens|lm_head/.test(name)
  const values = new Float32Array(rows * width)
  if (blank?.test(name)) return values
  for (let row = 0; row < rows; row++) {
    const key = `${name} ${ofWords ? (words[row] ?? `row ${row}`) : row}`
    const own = draws(seed, key)
    const start = draws(origin ? MODELS[origin].seed : seed, key)
    for (let i = row * width; i < (row + 1) * width; i++) {
      const value = name.includes('norm') ? 1 + 0.1 * start() : 0.1 * start()
      values[i] = origin ? value + distance * own() : value
    }
  }
  return values
}

/** Numbers of mean 0 and variance 1, about normal: sums of four whole numbers, so that every machine has the same. */
function draws(seed, key) {
  const random = new Random(seed, fnv1a(key))
  const one = () => random.uint32() / 2 ** 32 - 0.5
  return () => Math.sqrt(3) * (one() + one() + one() + one())
}

function fnv1a(text) {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function tokenizerJson({ words }) {
  const isSpecial = (word) => word.startsWith('<')
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: words.flatMap((content, id) => (isSpecial(content) ? [{ id, content, ...flags }] : [])),
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: {
      type: 'WordLevel',
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
      unk_token: '<unk>',
    },
  }
}

function tokenizerConfig({ template }) {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '</s>',
    unk_token: '<unk>',
    model_max_length: 128,
    ...(template && { chat_template: template }),
  }
}

function writeAdapter(folder, { seed, rank, alpha, modules }, size) {
  mkdirSync(folder, { recursive: true })
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'origin',
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    target_modules: modules.map((module) => module.split('.')[1]),
    inference_mode: true,
  }
  writeFileSync(join(folder, 'adapter_config.json'), `${JSON.stringify(config, null, 1)}\n`)
  const tensors = Object.entries(shapesOf({ ...DEFAULTS }, size))
    .filter(([name]) => modules.some((module) => name.includes(module)))
    .flatMap(([name, [rows, width]]) => {
      const key = (part) => `base_model.model.${name.replace('.weight', '')}.lora_${part}.weight`
      return [
        { name: key('A'), shape: [rank, width] },
        { name: key('B'), shape: [rows, rank] },
      ]
    })
    .map((tensor) => ({ ...tensor, dtype: 'float32', data: valuesOf({ seed }, tensor.name, tensor.shape) }))
  writeArrays(join(folder, 'adapter_model.safetensors'), tensors)
}
