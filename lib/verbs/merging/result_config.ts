/** config.json of a merged model: that of one of the models, made true to the layers, head and rows of the result. */
import type { JsonObject } from '../../checkpoint/json_file'
import { type DecoderSpec, decoderSpec } from '../../checkpoint/model_config'
import type { MergeModel } from './references'
import type { PlannedSlice } from './slices'
import type { TensorPlan } from './tensors'

export interface ResultRequest {
  /** Gives config.json. */
  owner: MergeModel
  /** Gives the ids of special tokens. */
  tokenizer: MergeModel
  specOf: (model: string) => DecoderSpec
  slices: readonly PlannedSlice[]
  plan: TensorPlan
  num_rows: number
}

const DTYPES: Record<string, string> = { F32: 'float32', BF16: 'bfloat16', F16: 'float16' }
const TOKEN_IDS = ['bos_token_id', 'eos_token_id', 'pad_token_id']

/** Throws ERR_MODEL_CONFIG should the result not be a model that we can load. */
export function resultConfig(request: ResultRequest): JsonObject {
  const { owner, tokenizer, slices, plan, num_rows } = request
  const { config } = owner.folder
  const ids = TOKEN_IDS.filter((key) => key in tokenizer.folder.config || key in config)
  const result: JsonObject = {
    ...config,
    ...Object.fromEntries(ids.map((key) => [key, tokenizer.folder.config[key] ?? null])),
    num_hidden_layers: slices.reduce((sum, { layers }) => sum + layers, 0),
    vocab_size: num_rows,
    tie_word_embeddings: !plan.head,
    ...dtypeKeys(config, plan),
    ...layerTypes(request),
  }
  decoderSpec(result, 'config.json of the result')
  return result
}

// The type that most tensors have, under the key that the config has for it.
function dtypeKeys(config: JsonObject, { tensors }: TensorPlan): JsonObject {
  const counts = new Map<string, number>()
  for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1)
  const [common] = [...counts].sort((a, b) => b[1] - a[1])
  const name = common && DTYPES[common[0]]
  if (name === undefined) return {}
  const keys = ['dtype', 'torch_dtype'].filter((key) => key in config)
  return Object.fromEntries((keys.length > 0 ? keys : ['dtype']).map((key) => [key, name]))
}

/** Which layers look through a window goes with the layers; written out where it can differ from layer to layer. */
function layerTypes({ owner, specOf, slices }: ResultRequest): JsonObject {
  const { layer_types, use_sliding_window } = owner.folder.config
  if (!Array.isArray(layer_types) && use_sliding_window !== true) return {}
  const taken = slices.flatMap(({ base, sources, layers }) => {
    const { model, first } = base ?? sources[0]!
    return specOf(model).layers.slice(first, first + layers)
  })
  return { layer_types: taken.map(({ window }) => (window > 0 ? 'sliding_attention' : 'full_attention')) }
}
