/** config.json of a merged model: that of one of the models, made true to the layers, head and rows of the result. */
import { dtypeKeys } from '../../checkpoint/dtype_key'
import type { JsonObject } from '../../checkpoint/json_file'
import { withLayers } from '../../checkpoint/layer_config'
import type { LayerSpec } from '../../checkpoint/layers'
import { decoderSpec } from '../../checkpoint/model_config'
import type { MergeModel } from './references'
import type { TensorPlan } from './tensors'

export interface ResultRequest {
  /** Gives config.json. */
  owner: MergeModel
  /** Gives the ids of special tokens. */
  tokenizer: MergeModel
  layers: readonly LayerSpec[]
  plan: TensorPlan
  num_rows: number
}

const TOKEN_IDS = ['bos_token_id', 'eos_token_id', 'pad_token_id']

/** Throws ERR_MODEL_CONFIG should the result not be a model that we can load. */
export function resultConfig(request: ResultRequest): JsonObject {
  const { owner, tokenizer, layers, plan, num_rows } = request
  const { config } = owner.folder
  const ids = TOKEN_IDS.filter((key) => key in tokenizer.folder.config || key in config)
  const result: JsonObject = {
    ...withLayers(config, layers, owner.spec),
    ...Object.fromEntries(ids.map((key) => [key, tokenizer.folder.config[key] ?? null])),
    vocab_size: num_rows,
    tie_word_embeddings: !plan.head,
    ...dtypeKeys(config, plan.tensors),
  }
  decoderSpec(result, 'config.json of the result')
  return result
}
