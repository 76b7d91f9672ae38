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
import { type Quantization, quantizationOf, type SpecOptions } from './quantization_config'

// config.json of a BERT or RoBERTa folder -> EncoderSpec, the one description of a text encoder that native code reads.

export type EncoderHead = 'none' | 'masked_lm' | 'classification'

/** What sets one family apart. Values that a config.json leaves out are the ones of transformers' config class. */
interface Family {
  /** By class in transformers: the head that it has on top. */
  classes: Record<string, EncoderHead>
  padTokenId: number
  /** Row of the position table that a document's first token has. */
  firstPosition: (padTokenId: number) => number
  /** Activation of the masked-LM head: its own, or that of the blocks. */
  headAct: 'gelu' | null
}

const families = {
  bert: {
    classes: {
      BertModel: 'none',
      BertForMaskedLM: 'masked_lm',
      BertForPreTraining: 'masked_lm',
      BertForSequenceClassification: 'classification',
    },
    padTokenId: 0,
    firstPosition: () => 0,
    headAct: null,
  },
  roberta: {
    classes: {
      RobertaModel: 'none',
      RobertaForMaskedLM: 'masked_lm',
      RobertaForSequenceClassification: 'classification',
    },
    padTokenId: 1,
    firstPosition: (padTokenId) => padTokenId + 1,
    headAct: 'gelu',
  },
} as const satisfies Record<string, Family>

export type EncoderArchitecture = keyof typeof families
/** The values of `model_type` that are encoders of text. */
export const ENCODER_ARCHITECTURES = Object.keys(families) as EncoderArchitecture[]

/** A text encoder, complete and checked. snake_case because native code reads this very object. */
export interface EncoderSpec {
  kind: 'encoder'
  /** `model_type` of config.json. */
  architecture: EncoderArchitecture
  /** What the model ends in. */
  head: EncoderHead
  /** Saved without the name of the base model before each tensor's. */
  bare: boolean
  /** The head of BERT's second task is saved beside the first. */
  next_sentence: boolean
  /** Rows of the embedding of tokens. */
  vocab_size: number
  /** Width between the blocks. */
  hidden_size: number
  /** Width of an attention head. */
  head_dim: number
  /** Rows of the position table. */
  max_positions: number
  /** Row of it that a document's first token has. */
  first_position: number
  /** Rows of the table of token types. */
  type_vocab_size: number
  /** Of a classification head, in the order of its outputs; else none. */
  labels: string[]
  /** Of a classification head: what it was trained for; null where config.json says nothing. */
  problem_type: ProblemType | null
  /** What norms add to the variance. */
  layer_norm_eps: number
  /** Of the feed-forward networks. */
  hidden_act: HiddenAct
  /** Of the masked-LM head. */
  head_act: HiddenAct
  /** The masked-LM head ends in the embedding. */
  tie_word_embeddings: boolean
  /** Of the token that fills rows up. */
  pad_token_id: number
  /** A block each, first to last. */
  layers: LayerSpec[]
  /** What config.json says that the weights are stored in; null where it says nothing. */
  dtype: Dtype | null
  /** Where linear layers are whole numbers with scales. */
  quantization?: Quantization
}

const ACTIVATIONS = ['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'gelu_fast', 'relu'] as const
type HiddenAct = (typeof ACTIVATIONS)[number]
const PROBLEMS = ['regression', 'single_label_classification', 'multi_label_classification'] as const
type ProblemType = (typeof PROBLEMS)[number]
const MAX_LABELS = 2 ** 20

// A key may be absent where transformers has a default; the sizes must be there.
const configSchema = z.looseObject({
  model_type: z.enum(ENCODER_ARCHITECTURES as [EncoderArchitecture, ...EncoderArchitecture[]], {
    error: `a text encoder (${ENCODER_ARCHITECTURES.join(', ')})`,
  }),
  architectures: z
    .array(z.string(), { error: 'a list of one class' })
    .min(1, { error: 'a list of one class' }),
  vocab_size: integer(1, 2 ** 24),
  hidden_size: integer(1, 2 ** 20),
  intermediate_size: integer(1, 2 ** 22),
  num_hidden_layers: integer(1, 4096),
  num_attention_heads: integer(1, 2 ** 16),
  head_dim: integer(1, 2 ** 16).nullish(),
  max_position_embeddings: integer(1, 2 ** 30).default(512),
  type_vocab_size: integer(1, 2 ** 16).default(2),
  layer_norm_eps: epsilon.default(1e-12),
  hidden_act: z.enum(ACTIVATIONS, { error: `one of ${ACTIVATIONS.join(', ')}` }).default('gelu'),
  position_embedding_type: z.literal('absolute', { error: '"absolute"' }).nullish(),
  is_decoder: z.literal(false, { error: 'false: an encoder looks both ways' }).nullish(),
  add_cross_attention: z.literal(false, { error: 'false' }).nullish(),
  tie_word_embeddings: flag.default(true),
  pad_token_id: integer(0, 2 ** 24).nullish(),
  num_labels: integer(1, MAX_LABELS).nullish(),
  id2label: z.record(z.string(), z.string(), { error: 'names of labels by number' }).nullish(),
  problem_type: z.enum(PROBLEMS, { error: `one of ${PROBLEMS.join(', ')}` }).nullish(),
  layers: layerEntries.optional(),
  ...dtypeKeys,
})
type Config = z.infer<typeof configSchema>

/** Whether a config.json is one of a text encoder, well-formed or not. */
export const isEncoderConfig = (content: JsonObject): boolean =>
  (ENCODER_ARCHITECTURES as unknown[]).includes(familyOf(content.model_type))

/**
 * Reads the content of a config.json. `file` is only named in errors. Throws ERR_MODEL_CONFIG that names file, key,
 * expected and received.
 */
export function encoderSpec(
  content: JsonObject,
  file = 'config.json',
  { quantized = false }: SpecOptions = {},
): EncoderSpec {
  const config = checkedConfig(configSchema, { ...content, model_type: familyOf(content.model_type) }, file)
  const refuse = refusing(file)
  const quantization = quantizationOf(content, file, { allowed: quantized })
  const family: Family = families[config.model_type]
  const hubClass = classOf(config, family, refuse)
  const head = family.classes[hubClass]!
  const padTokenId = config.pad_token_id ?? family.padTokenId
  const spec: EncoderSpec = {
    kind: 'encoder',
    architecture: config.model_type,
    head,
    bare: head === 'none',
    next_sentence: hubClass === 'BertForPreTraining',
    vocab_size: config.vocab_size,
    hidden_size: config.hidden_size,
    head_dim: headSize(config, refuse),
    max_positions: config.max_position_embeddings,
    first_position: family.firstPosition(padTokenId),
    type_vocab_size: config.type_vocab_size,
    labels: head === 'classification' ? labelsOf(config, refuse) : [],
    problem_type: config.problem_type ?? null,
    layer_norm_eps: config.layer_norm_eps,
    hidden_act: config.hidden_act,
    head_act: family.headAct ?? config.hidden_act,
    tie_word_embeddings: config.tie_word_embeddings,
    pad_token_id: padTokenId,
    layers: encoderLayers(content, config, refuse),
    dtype: storedDtype(config, refuse),
    ...(quantization && { quantization }),
  }
  for (const layer of spec.layers) checkRanks(encoderLinears(spec, layer), layer, refuse)
  if (spec.first_position >= spec.max_positions) {
    refuse('max_position_embeddings', `more than ${spec.first_position} rows`, spec.max_positions)
  }
  return spec
}

/** Throws ERR_MODEL_CONFIG where two labels have one name: scores are told by name, and one would be lost. */
export function checkLabelNames({ labels }: EncoderSpec, file: string): void {
  const numbers = new Map<string, number>()
  for (const [i, label] of labels.entries()) {
    const first = numbers.get(label)
    if (first !== undefined)
      refusing(file)('id2label', 'a name of its own for each label', { [first]: label, [i]: label })
    numbers.set(label, i)
  }
}

/** The linear layers of a block, in the order of the forward pass. */
export function encoderLinears(spec: EncoderSpec, layer: LayerSpec): LayerLinear[] {
  const { hidden_size: D, head_dim: H } = spec
  const { num_heads: N, intermediate_size: F } = layer
  return [
    { name: 'attention.self.query', out: N * H, in: D, bias: true },
    { name: 'attention.self.key', out: N * H, in: D, bias: true },
    { name: 'attention.self.value', out: N * H, in: D, bias: true },
    { name: 'attention.output.dense', out: D, in: N * H, bias: true },
    { name: 'intermediate.dense', out: F, in: D, bias: true },
    { name: 'output.dense', out: D, in: F, bias: true },
  ]
}

/** The class of transformers that a family has for a head. */
export function encoderClass(architecture: EncoderArchitecture, head: EncoderHead): string {
  const found = Object.entries<EncoderHead>(families[architecture].classes).find(([, of]) => of === head)
  return found![0]
}

function classOf({ architectures, model_type }: Config, family: Family, refuse: RefuseKey): string {
  const [given] = architectures
  const hubClass = given!.replace(/^Tongueforge/, '')
  if (Object.hasOwn(family.classes, hubClass)) return hubClass
  return refuse('architectures', `a class of ${model_type}: ${Object.keys(family.classes).join(', ')}`, given)
}

// transformers' configs say their number by the names; two where they say nothing.
function labelsOf({ num_labels, id2label }: Config, refuse: RefuseKey): string[] {
  const count = id2label ? Object.keys(id2label).length : (num_labels ?? 2)
  return Array.from({ length: count }, (_, i) => {
    if (!id2label) return `LABEL_${i}`
    return id2label[i] ?? refuse('id2label', `a name for each number from 0 to ${count - 1}`, id2label)
  })
}
