import { z } from 'zod'
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
import { encoderLayers, headSize } from './encoder_layers'
import type { JsonObject } from './json_file'
import { checkRanks, type LayerLinear, type LayerSpec } from './layers'
import { familyOf, layerEntries } from './own_layers'
import { quantizationOf } from './quantization_config'

// config.json of a MelHuBERT, HuBERT or wav2vec 2.0 folder -> SpeechSpec, the one description of a speech encoder that
// native code reads. MelHuBERT's is ours: keys of transformers' HuBERT where they exist, the official names for the rest.

/** What sets one family apart. */
interface Family {
  /** The classes in transformers, the base model first: that one is saved without its name before each tensor's. */
  classes: readonly string[]
  /** Names of the linear layers within a block: q, k, v, o, up, down. */
  linears: readonly [string, string, string, string, string, string]
}

const TRANSFORMERS_LINEARS = [
  ...(['attention.q_proj', 'attention.k_proj', 'attention.v_proj', 'attention.out_proj'] as const),
  ...(['feed_forward.intermediate_dense', 'feed_forward.output_dense'] as const),
] as const

const families = {
  melhubert: {
    classes: ['MelHubertModel'],
    linears: [
      ...(['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.out_proj'] as const),
      ...(['fc1', 'fc2'] as const),
    ],
  },
  hubert: {
    classes: ['HubertModel', 'HubertForCTC', 'HubertForSequenceClassification'],
    linears: TRANSFORMERS_LINEARS,
  },
  wav2vec2: {
    classes: [
      'Wav2Vec2Model',
      'Wav2Vec2ForPreTraining',
      'Wav2Vec2ForCTC',
      'Wav2Vec2ForSequenceClassification',
      'Wav2Vec2ForAudioFrameClassification',
    ],
    linears: TRANSFORMERS_LINEARS,
  },
} as const satisfies Record<string, Family>

export type SpeechArchitecture = keyof typeof families
/** The values of `model_type` that are encoders of speech. */
export const SPEECH_ARCHITECTURES = Object.keys(families) as SpeechArchitecture[]

/** One of the convolutions over samples. `norm`: of each channel over the sound, of the channels of a frame, or none. */
export interface SampleConvolution {
  channels: number
  kernel: number
  stride: number
  bias: boolean
  norm: 'none' | 'channel' | 'frame'
}

/** What training hides, as spans: the share of places where all lie apart, their length, the least number of them. */
export interface SpeechMasking {
  probability: number
  length: number
  least_spans: number
}

/** A speech encoder, complete and checked. snake_case because native code reads this very object. */
export interface SpeechSpec {
  kind: 'speech'
  /** `model_type` of config.json. */
  architecture: SpeechArchitecture
  /** Saved without the name of the base model before each tensor's. */
  bare: boolean
  /** What a place is foretold to be: clusters; 0 where no head of ours does. */
  vocab_size: number
  /** Numbers of a frame that it hears; 0: it hears samples, by convolutions. */
  frame_width: number
  /** Of a filterbank: frames of 10 ms that make one place, 1 or 2. */
  stacked_frames: number
  /** Over samples, first to last. */
  convolutions: SampleConvolution[]
  /** Between the convolutions. */
  convolution_act: HiddenAct
  /** Frames are normed before they are projected. */
  projection_norm: boolean
  /** A vector stands for places that are not heard. */
  masked_embedding: boolean
  /** Width between the blocks. */
  hidden_size: number
  /** Width of an attention head. */
  head_dim: number
  /** Of the convolution that tells positions: places that it sees. */
  position_kernel: number
  /** Of that convolution. */
  position_groups: number
  /** Its weights are stored as direction and length. */
  position_weight_norm: boolean
  /** What norms add to the variance. */
  layer_norm_eps: number
  /** Of the feed-forward networks. */
  hidden_act: HiddenAct
  /** Norms stand before the parts of a block, and one behind the last. */
  norm_first: boolean
  /** How places are hidden in training. */
  masking: SpeechMasking
  /** A block each, first to last. */
  layers: LayerSpec[]
  /** What config.json says that the weights are stored in; null where it says nothing. */
  dtype: Dtype | null
}

const ACTIVATIONS = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast', 'relu'] as const
type HiddenAct = (typeof ACTIVATIONS)[number]
const activation = z.enum(ACTIVATIONS, { error: `one of ${ACTIVATIONS.join(', ')}` }).default('gelu')
const sizes = z
  .array(integer(1, 2 ** 16), { error: 'a list of whole numbers' })
  .min(1, { error: 'at least one' })
const never = (why: string) => z.literal(false, { error: `false: ${why}` }).nullish()

const blockKeys = {
  architectures: z.array(z.string(), { error: 'a list of one class' }).nullish(),
  hidden_size: integer(1, 2 ** 20),
  intermediate_size: integer(1, 2 ** 22),
  num_hidden_layers: integer(1, 4096),
  num_attention_heads: integer(1, 2 ** 16),
  head_dim: integer(1, 2 ** 16).nullish(),
  hidden_act: activation,
  layer_norm_eps: epsilon.default(1e-5),
  do_stable_layer_norm: flag.default(false),
  num_conv_pos_embeddings: integer(1, 2 ** 16).default(128),
  num_conv_pos_embedding_groups: integer(1, 2 ** 16).default(16),
  layers: layerEntries.optional(),
  ...dtypeKeys,
}

const melHubertSchema = z.looseObject({
  ...blockKeys,
  model_type: z.literal('melhubert'),
  feat_emb_dim: integer(1, 2 ** 16),
  num_cluster: integer(1, 2 ** 24).default(512),
  stacked_frames: integer(1, 2).nullish(),
  conv_pos_weight_norm: flag.default(true),
  mask_prob: epsilon.default(0.7),
  mask_length: integer(1, 2 ** 16).nullish(),
  pos_emb_type: z.literal('conv', { error: '"conv"' }).nullish(),
  pos_conv_depth: z.literal(1, { error: '1' }).nullish(),
  attention_type: z.literal('original', { error: '"original": an encoder looks both ways' }).nullish(),
  learnable_mask_emb: never('what is not heard is zero'),
  mask_before_proj: z.literal(true, { error: 'true: frames are hidden before they are projected' }).nullish(),
})

const samplesSchema = z.looseObject({
  ...blockKeys,
  model_type: z.enum(['hubert', 'wav2vec2']),
  conv_dim: sizes.default([512, 512, 512, 512, 512, 512, 512]),
  conv_kernel: sizes.default([10, 3, 3, 3, 3, 2, 2]),
  conv_stride: sizes.default([5, 2, 2, 2, 2, 2, 2]),
  conv_bias: flag.default(false),
  feat_extract_norm: z.enum(['group', 'layer'], { error: '"group" or "layer"' }).default('group'),
  feat_extract_activation: activation,
  feat_proj_layer_norm: flag.default(true),
  mask_time_prob: epsilon.default(0.05),
  mask_feature_prob: epsilon.default(0),
  mask_time_length: integer(1, 2 ** 16).default(10),
  mask_time_min_masks: integer(0, 2 ** 16).default(2),
  conv_pos_batch_norm: never('its positional convolution has weight norm'),
  add_adapter: never('there are no layers behind its blocks'),
  adapter_attn_dim: z.null({ error: 'null: its blocks have no adapters' }).optional(),
})

/** Whether a config.json is one of a speech encoder, well-formed or not. */
export const isSpeechConfig = (content: JsonObject): boolean =>
  (SPEECH_ARCHITECTURES as unknown[]).includes(familyOf(content.model_type))

/**
 * Reads the content of a config.json. `file` is only named in errors. Throws ERR_MODEL_CONFIG that names file, key,
 * expected and received.
 */
export function speechSpec(content: JsonObject, file = 'config.json'): SpeechSpec {
  const architecture = familyOf(content.model_type) as SpeechArchitecture
  const given = { ...content, model_type: architecture }
  const refuse = refusing(file)
  quantizationOf(content, file, { allowed: false })
  const schema = architecture === 'melhubert' ? melHubertSchema : samplesSchema
  const config = checkedConfig<typeof melHubertSchema | typeof samplesSchema>(schema, given, file)
  const spec: SpeechSpec = {
    kind: 'speech',
    architecture,
    bare: isBare(config, families[architecture], refuse),
    ...(config.model_type === 'melhubert' ? ofFrames(config) : ofSamples(config, refuse)),
    hidden_size: config.hidden_size,
    head_dim: headSize(config, refuse),
    position_kernel: config.num_conv_pos_embeddings,
    position_groups: config.num_conv_pos_embedding_groups,
    layer_norm_eps: config.layer_norm_eps,
    hidden_act: config.hidden_act,
    norm_first: config.do_stable_layer_norm,
    layers: encoderLayers(content, config, refuse),
    dtype: storedDtype(config, refuse),
  }
  if (spec.hidden_size % spec.position_groups !== 0)
    refuse(
      'num_conv_pos_embedding_groups',
      `a divisor of hidden_size (${spec.hidden_size})`,
      spec.position_groups,
    )
  for (const layer of spec.layers) checkRanks(speechLinears(spec, layer), layer, refuse)
  return spec
}

type OwnKeys = Pick<
  SpeechSpec,
  | 'vocab_size'
  | 'frame_width'
  | 'stacked_frames'
  | 'convolutions'
  | 'convolution_act'
  | 'projection_norm'
  | 'masked_embedding'
  | 'position_weight_norm'
  | 'masking'
>

// Two frames of 40 numbers make a place of 20 ms: then spans are of five places, else of ten.
function ofFrames(config: z.infer<typeof melHubertSchema>): OwnKeys {
  const stacked = config.stacked_frames ?? (config.feat_emb_dim === 80 ? 2 : 1)
  return {
    vocab_size: config.num_cluster,
    frame_width: config.feat_emb_dim,
    stacked_frames: stacked,
    convolutions: [],
    convolution_act: 'gelu',
    projection_norm: false,
    masked_embedding: false,
    position_weight_norm: config.conv_pos_weight_norm,
    masking: {
      probability: config.mask_prob,
      length: config.mask_length ?? (stacked === 2 ? 5 : 10),
      least_spans: 2,
    },
  }
}

function ofSamples(config: z.infer<typeof samplesSchema>, refuse: RefuseKey): OwnKeys {
  const { conv_dim, conv_kernel, conv_stride, conv_bias: bias, feat_extract_norm } = config
  for (const [key, list] of Object.entries({ conv_kernel, conv_stride }))
    if (list.length !== conv_dim.length)
      refuse(key, `one for each of ${conv_dim.length} convolutions (conv_dim)`, list)
  const normOf = (i: number) =>
    feat_extract_norm === 'layer' ? 'frame' : i === 0 ? ('channel' as const) : ('none' as const)
  return {
    vocab_size: 0,
    frame_width: 0,
    stacked_frames: 1,
    convolutions: conv_dim.map((channels, i) => ({
      ...{ channels, kernel: conv_kernel[i]!, stride: conv_stride[i]! },
      ...{ bias, norm: normOf(i) },
    })),
    convolution_act: config.feat_extract_activation,
    projection_norm: config.model_type === 'wav2vec2' || config.feat_proj_layer_norm,
    masked_embedding: config.mask_time_prob > 0 || config.mask_feature_prob > 0,
    position_weight_norm: true,
    masking: {
      probability: config.mask_time_prob,
      length: config.mask_time_length,
      least_spans: config.mask_time_min_masks,
    },
  }
}

/** The linear layers of a block, in the order of the forward pass. */
export function speechLinears(
  { architecture, hidden_size: D, head_dim: H }: SpeechSpec,
  { num_heads: N, intermediate_size: F }: LayerSpec,
): LayerLinear[] {
  const [q, k, v, o, up, down] = families[architecture].linears
  return [
    { name: q, out: N * H, in: D, bias: true },
    { name: k, out: N * H, in: D, bias: true },
    { name: v, out: N * H, in: D, bias: true },
    { name: o, out: D, in: N * H, bias: true },
    { name: up, out: F, in: D, bias: true },
    { name: down, out: D, in: F, bias: true },
  ]
}

function isBare(
  { architectures }: { architectures?: string[] | null | undefined },
  { classes }: Family,
  refuse: RefuseKey,
): boolean {
  const given = architectures?.[0]
  if (given === undefined) return true
  const hubClass = given.replace(/^Tongueforge/, '')
  if (classes.includes(hubClass)) return hubClass === classes[0]
  return refuse('architectures', `one of ${classes.join(', ')}`, given)
}
