import { z } from 'zod'
import { countParameters } from '../counting/parameters'
import {
  checkedConfig,
  type Dtype,
  dtypeKeys,
  epsilon,
  flag,
  integer,
  type RefuseKey,
  refusing,
  storedDtype,
} from './config_checks'
import type { JsonObject } from './json_file'
import { checkRanks, type LayerLinear, type LayerSpec } from './layers'
import { familyOf, hasOwnLayers, layerEntries } from './own_layers'
import { type Quantization, quantizationOf, type SpecOptions } from './quantization_config'
import { type RopeSpec, ropeKeys, ropeSpec } from './rope_config'

// config.json of a Hugging Face folder -> DecoderSpec, the one description of a decoder that native code reads.
// To add a family: a row in `families` and a parity case; docs/add_a_model.md has the whole list.

/** What sets one family apart. Values that a config.json leaves out are the ones of transformers' config class. */
interface Family {
  /** The class that `architectures` names. */
  hubClass: string
  /** Key/value heads when the key is absent; null: as many as heads. */
  kvHeads: number | null
  /** Size of a head when the key is absent; null: hidden_size / heads. */
  headDim: number | null
  maxPositions: number
  /** Bias of q, k and v: by the architecture, or as `attention_bias` says. `config` speaks of the output too. */
  attentionBias: 'always' | 'never' | 'config'
  mlpBias: 'never' | 'config'
  /** RMSNorm over each head of q and k. */
  qkNorm: boolean
  /** Sliding window: none, the same in all layers, or in the layers that the config lists. */
  window: 'none' | 'all_layers' | 'some_layers'
}

const families = {
  llama: {
    hubClass: 'LlamaForCausalLM',
    kvHeads: null,
    headDim: null,
    maxPositions: 2048,
    attentionBias: 'config',
    mlpBias: 'config',
    qkNorm: false,
    window: 'none',
  },
  mistral: {
    hubClass: 'MistralForCausalLM',
    kvHeads: 8,
    headDim: null,
    maxPositions: 131072,
    attentionBias: 'never',
    mlpBias: 'never',
    qkNorm: false,
    window: 'all_layers',
  },
  qwen2: {
    hubClass: 'Qwen2ForCausalLM',
    kvHeads: 32,
    headDim: null,
    maxPositions: 32768,
    attentionBias: 'always',
    mlpBias: 'never',
    qkNorm: false,
    window: 'some_layers',
  },
  qwen3: {
    hubClass: 'Qwen3ForCausalLM',
    kvHeads: 32,
    headDim: 128,
    maxPositions: 32768,
    attentionBias: 'config',
    mlpBias: 'never',
    qkNorm: true,
    window: 'some_layers',
  },
} as const satisfies Record<string, Family>

export type Architecture = keyof typeof families
/** The values of `model_type` that we run. */
export const ARCHITECTURES = Object.keys(families) as Architecture[]

/** A decoder, complete and checked. snake_case because native code reads this very object. */
export interface DecoderSpec {
  kind: 'decoder'
  /** `model_type` of config.json. */
  architecture: Architecture
  /** Rows of the embedding. */
  vocab_size: number
  /** Width between the blocks. */
  hidden_size: number
  /** Width of an attention head. */
  head_dim: number
  /** Longest sequence that the model was made for. */
  max_positions: number
  /** What norms add to the mean square. */
  rms_norm_eps: number
  /** Of the feed-forward networks. */
  hidden_act: 'silu'
  /** The output head is the embedding. */
  tie_word_embeddings: boolean
  /** Bias of the q, k and v projections. */
  attention_bias: boolean
  /** Bias of the attention's output projection. */
  o_bias: boolean
  /** Bias of the linear layers of the feed-forward networks. */
  mlp_bias: boolean
  /** Queries and keys have norms. */
  qk_norm: boolean
  /** The window of the layers that have one, else 0. */
  sliding_window: number
  /** A block each, first to last. */
  layers: LayerSpec[]
  /** Rotary positions. */
  rope: RopeSpec
  /** What config.json says that the weights are stored in; null where it says nothing. */
  dtype: Dtype | null
  /** Where linear layers are whole numbers with scales. */
  quantization?: Quantization
}

const DEFAULT_WINDOW = 4096
const DEFAULT_MAX_WINDOW_LAYERS = 28
const MAX_LAYERS = 4096
/** Ten trillion: above it a config is a mistake or an attack, below it counts are exact in a double. */
const MAX_PARAMETERS = 1e13

// Bounds are a few powers of two above anything published. A key may be absent where transformers has a default.
const configSchema = z.looseObject({
  model_type: z.enum(ARCHITECTURES as [Architecture, ...Architecture[]], {
    error: `a supported architecture (${ARCHITECTURES.join(', ')})`,
  }),
  vocab_size: integer(1, 2 ** 24),
  hidden_size: integer(1, 2 ** 20),
  intermediate_size: integer(1, 2 ** 22),
  num_hidden_layers: integer(1, MAX_LAYERS),
  num_attention_heads: integer(1, 2 ** 16),
  num_key_value_heads: integer(1, 2 ** 16).nullish(),
  head_dim: integer(1, 2 ** 16).nullish(),
  max_position_embeddings: integer(1, 2 ** 30).optional(),
  rms_norm_eps: epsilon.default(1e-6),
  // 'swish' is the same function under its older name.
  hidden_act: z.enum(['silu', 'swish'], { error: '"silu"' }).default('silu'),
  tie_word_embeddings: flag.default(false),
  is_causal: z.literal(true, { error: 'true: each token sees those before it alone' }).nullish(),
  attention_bias: flag.default(false),
  mlp_bias: flag.default(false),
  use_sliding_window: flag.default(false),
  sliding_window: integer(1, 2 ** 30)
    .nullable()
    .default(DEFAULT_WINDOW),
  max_window_layers: integer(0, 2 ** 20).default(DEFAULT_MAX_WINDOW_LAYERS),
  layer_types: z
    .array(
      z.enum(['full_attention', 'sliding_attention'], { error: '"full_attention" or "sliding_attention"' }),
      {
        error: 'a list with one entry a layer',
      },
    )
    .nullish(),
  layers: layerEntries.optional(),
  ...dtypeKeys,
  ...ropeKeys,
})
type Config = z.infer<typeof configSchema>

/** Whether a config.json is one of a decoder, well-formed or not. */
export const isDecoderConfig = (content: JsonObject): boolean =>
  (ARCHITECTURES as unknown[]).includes(familyOf(content.model_type))

/**
 * Reads the content of a config.json. `file` is only named in errors. Throws ERR_MODEL_CONFIG that names file, key,
 * expected and received: for an unknown architecture, a value out of range, or values that contradict each other.
 */
export function decoderSpec(
  content: JsonObject,
  file = 'config.json',
  { quantized = false }: SpecOptions = {},
): DecoderSpec {
  const ownLayers = hasOwnLayers(content)
  const config = checkedConfig(configSchema, { ...content, model_type: familyOf(content.model_type) }, file)
  const refuse = refusing(file)
  const family: Family = families[config.model_type]
  const headDim = headSize(config, family, refuse)
  const windows = layerWindows(config, family, refuse)
  const maxPositions = config.max_position_embeddings ?? family.maxPositions
  const quantization = quantizationOf(content, file, { allowed: quantized })
  const attentionBias = family.attentionBias === 'config' && config.attention_bias
  const spec: DecoderSpec = {
    kind: 'decoder',
    architecture: config.model_type,
    vocab_size: config.vocab_size,
    hidden_size: config.hidden_size,
    head_dim: headDim,
    max_positions: maxPositions,
    rms_norm_eps: config.rms_norm_eps,
    hidden_act: 'silu',
    tie_word_embeddings: config.tie_word_embeddings,
    attention_bias: attentionBias || family.attentionBias === 'always',
    o_bias: attentionBias,
    mlp_bias: family.mlpBias === 'config' && config.mlp_bias,
    qk_norm: family.qkNorm,
    sliding_window: Math.max(...windows),
    layers: ownLayers ? listedLayers(config, windows, refuse) : equalLayers(config, family, windows),
    rope: ropeSpec(config, maxPositions, headDim, refuse),
    dtype: storedDtype(config, refuse),
    ...(quantization && { quantization }),
  }
  checkSizes(spec, refuse)
  return spec
}

/** The linear layers of a block, in the order of the forward pass. */
export function layerLinears(spec: DecoderSpec, layer: LayerSpec): LayerLinear[] {
  const { hidden_size: D, head_dim: H } = spec
  const { num_heads: N, num_kv_heads: K, intermediate_size: F } = layer
  return [
    { name: 'self_attn.q_proj', out: N * H, in: D, bias: spec.attention_bias },
    { name: 'self_attn.k_proj', out: K * H, in: D, bias: spec.attention_bias },
    { name: 'self_attn.v_proj', out: K * H, in: D, bias: spec.attention_bias },
    { name: 'self_attn.o_proj', out: D, in: N * H, bias: spec.o_bias },
    { name: 'mlp.gate_proj', out: F, in: D, bias: spec.mlp_bias },
    { name: 'mlp.up_proj', out: F, in: D, bias: spec.mlp_bias },
    { name: 'mlp.down_proj', out: D, in: F, bias: spec.mlp_bias },
  ]
}

/** The name that config.json carries under `architectures`, e.g. LlamaForCausalLM. */
export function hubClass(architecture: Architecture): string {
  return families[architecture].hubClass
}

// Absent and null are told apart: null means one key/value head a head, absent means the family's default.
function kvHeads(config: Config, family: Family): number {
  const { num_key_value_heads: given, num_attention_heads: heads } = config
  return given === undefined ? (family.kvHeads ?? heads) : (given ?? heads)
}

function equalLayers(config: Config, family: Family, windows: readonly number[]): LayerSpec[] {
  const { num_attention_heads: num_heads, intermediate_size } = config
  const num_kv_heads = kvHeads(config, family)
  return windows.map((window) => ({ num_heads, num_kv_heads, intermediate_size, window, ranks: {} }))
}

// Of a compressed model: layer_config.ts writes them.
function listedLayers(config: Config, windows: readonly number[], refuse: RefuseKey): LayerSpec[] {
  const { layers } = config
  if (layers?.length !== windows.length) {
    return refuse('layers', `one entry for each of ${windows.length} layers`, layers)
  }
  return layers.map(({ num_attention_heads, num_key_value_heads, intermediate_size, ranks }, i) => ({
    num_heads: num_attention_heads,
    num_kv_heads: num_key_value_heads,
    intermediate_size,
    window: windows[i]!,
    ranks,
  }))
}

function headSize(config: Config, family: Family, refuse: RefuseKey): number {
  const given = config.head_dim ?? family.headDim
  if (given != null) return given
  const { hidden_size: hidden, num_attention_heads: heads } = config
  if (hidden % heads === 0) return hidden / heads
  return refuse(
    'hidden_size',
    `a multiple of num_attention_heads (${heads}) where head_dim is not given`,
    hidden,
  )
}

function layerWindows(config: Config, family: Family, refuse: RefuseKey): number[] {
  const layers = config.num_hidden_layers
  const every = (window: number) => new Array<number>(layers).fill(window)
  if (family.window === 'none') return every(0)
  if (family.window === 'all_layers') {
    const mixed = config.layer_types?.includes('full_attention') && config.sliding_window !== null
    return mixed
      ? refuse('layer_types', 'absent: this family has one window for all layers', config.layer_types)
      : every(config.sliding_window ?? 0)
  }
  const window = config.use_sliding_window ? (config.sliding_window ?? 0) : 0
  const types = config.layer_types
  if (!types) return every(window).map((value, layer) => (layer >= config.max_window_layers ? value : 0))
  if (types.length !== layers) refuse('layer_types', `one entry for each of ${layers} layers`, types)
  if (types.includes('sliding_attention') && window === 0) {
    refuse(
      'sliding_window',
      'a window, as layer_types lists sliding layers, and use_sliding_window true',
      config.sliding_window,
    )
  }
  return types.map((type) => (type === 'sliding_attention' ? window : 0))
}

function checkSizes(spec: DecoderSpec, refuse: RefuseKey): void {
  for (const layer of spec.layers) {
    const { num_heads: heads, num_kv_heads: kv } = layer
    if (heads % kv !== 0) refuse('num_key_value_heads', `a divisor of num_attention_heads (${heads})`, kv)
    checkRanks(layerLinears(spec, layer), layer, refuse)
  }
  if (spec.head_dim % 2 !== 0) refuse('head_dim', 'an even number, as rope turns pairs', spec.head_dim)
  const parameters = countParameters(spec)
  if (parameters > MAX_PARAMETERS) {
    refuse('hidden_size', `sizes that make at most ${MAX_PARAMETERS} parameters`, `${parameters} parameters`)
  }
}
