/**
 * config.json of a model whose blocks have changed. Where they are all of one size the keys that every loader knows
 * say it; otherwise `layers` does, under a model_type of our own, which other loaders refuse by its name instead of
 * running random weights.
 */
import type { JsonObject } from './json_file'
import { areUniform, type LayerSpec } from './layers'

const PREFIX = 'tongueforge_'
const CLASS_PREFIX = 'Tongueforge'

/** `tongueforge_llama` -> `llama`; others as they are. */
export const familyOf = (modelType: unknown): unknown =>
  typeof modelType === 'string' && modelType.startsWith(PREFIX) ? modelType.slice(PREFIX.length) : modelType

/** Whether `layers` of a config.json has the sizes. */
export const hasOwnLayers = (config: JsonObject): boolean => familyOf(config.model_type) !== config.model_type

/** A config.json for the same model with other blocks. `head_dim`: of every head, whatever their number. */
export function withLayers(
  { layers: _, ...config }: JsonObject,
  layers: readonly LayerSpec[],
  { head_dim }: { head_dim: number },
): JsonObject {
  const family = familyOf(config.model_type) as string
  const uniform = areUniform(layers)
  return {
    ...config,
    model_type: uniform ? family : PREFIX + family,
    ...(Array.isArray(config.architectures) && {
      architectures: config.architectures.map((name) => className(String(name), uniform)),
    }),
    num_hidden_layers: layers.length,
    ...largest(layers),
    ...headSize(config, layers, head_dim),
    ...layerTypes(config, layers),
    ...(!uniform && { layers: layers.map(layerEntry) }),
  }
}

function className(name: string, uniform: boolean): string {
  const stock = name.startsWith(CLASS_PREFIX) ? name.slice(CLASS_PREFIX.length) : name
  return uniform ? stock : CLASS_PREFIX + stock
}

// Of uniform blocks: those of each.
function largest(layers: readonly LayerSpec[]): JsonObject {
  const most = (key: 'num_heads' | 'num_kv_heads' | 'intermediate_size') =>
    Math.max(...layers.map((layer) => layer[key]))
  return {
    num_attention_heads: most('num_heads'),
    num_key_value_heads: most('num_kv_heads'),
    intermediate_size: most('intermediate_size'),
  }
}

// Loaders take hidden_size / heads where the key is absent.
function headSize(config: JsonObject, layers: readonly LayerSpec[], head_dim: number): JsonObject {
  const implied = layers.every(({ num_heads }) => num_heads * head_dim === config.hidden_size)
  return implied && config.head_dim == null ? {} : { head_dim }
}

// Where windows can differ they are written out: which layer had one is no longer a matter of its number.
function layerTypes(config: JsonObject, layers: readonly LayerSpec[]): JsonObject {
  if (!Array.isArray(config.layer_types) && config.use_sliding_window !== true) return {}
  return { layer_types: layers.map(({ window }) => (window > 0 ? 'sliding_attention' : 'full_attention')) }
}

const layerEntry = ({ num_heads, num_kv_heads, intermediate_size, ranks }: LayerSpec): JsonObject => ({
  num_attention_heads: num_heads,
  num_key_value_heads: num_kv_heads,
  intermediate_size,
  ...(Object.keys(ranks).length > 0 && { ranks }),
})
