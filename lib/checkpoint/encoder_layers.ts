/** The blocks of an encoder, of text or of speech, as its config.json says their sizes. */
import type { RefuseKey } from './config_checks'
import type { JsonObject } from './json_file'
import type { LayerSpec } from './layers'
import { hasOwnLayers, type LayerEntry } from './own_layers'

interface BlockKeys {
  hidden_size: number
  intermediate_size: number
  num_hidden_layers: number
  num_attention_heads: number
  head_dim?: number | null | undefined
  layers?: LayerEntry[] | undefined
}

/** Of every head. */
export function headSize(
  { head_dim, hidden_size: hidden, num_attention_heads: heads }: BlockKeys,
  refuse: RefuseKey,
): number {
  if (head_dim != null) return head_dim
  if (hidden % heads === 0) return hidden / heads
  return refuse('hidden_size', `a multiple of num_attention_heads (${heads})`, hidden)
}

/** `content`: the config.json, of which `config` are the checked keys. */
export const encoderLayers = (content: JsonObject, config: BlockKeys, refuse: RefuseKey): LayerSpec[] =>
  hasOwnLayers(content) ? listedLayers(config, refuse) : equalLayers(config)

function equalLayers({
  num_hidden_layers,
  num_attention_heads: heads,
  intermediate_size,
}: BlockKeys): LayerSpec[] {
  const layer = { num_heads: heads, num_kv_heads: heads, intermediate_size, window: 0 }
  return Array.from({ length: num_hidden_layers }, () => ({ ...layer, ranks: {} }))
}

// Of a compressed model: layer_config.ts writes them.
function listedLayers({ layers, num_hidden_layers: count }: BlockKeys, refuse: RefuseKey): LayerSpec[] {
  if (layers?.length !== count) return refuse('layers', `one entry for each of ${count} layers`, layers)
  return layers.map(({ num_attention_heads: heads, num_key_value_heads: kv, intermediate_size, ranks }) => {
    if (kv !== heads) refuse('layers.num_key_value_heads', `${heads}, as many as heads`, kv)
    return { num_heads: heads, num_kv_heads: heads, intermediate_size, window: 0, ranks }
  })
}
