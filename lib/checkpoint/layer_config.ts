/**
 * config.json of a model whose blocks have changed. Where they are all of one size the keys that every loader knows
 * say it; otherwise `layers` does, under a model_type of our own, which other loaders refuse by its name instead of
 * running random weights.
 */
import { isEncoderConfig } from './encoder_config'
import type { JsonObject } from './json_file'
import { areUniform, type LayerSpec } from './layers'
import { familyOf, PREFIX } from './own_layers'
import { isSpeechConfig } from './speech_config'

const CLASS_PREFIX = 'Tongueforge'

/**
 * A config.json for the same model with other blocks. `head_dim`: of every head, whatever their number. Stock loaders of
 * encoders have no key for it: there all heads together must be as wide as the model.
 */
export function withLayers(
  { layers: _, head_dim: given, ...config }: JsonObject,
  layers: readonly LayerSpec[],
  { head_dim }: { head_dim: number },
): JsonObject {
  const family = familyOf(config.model_type) as string
  const grouped = !isEncoderConfig(config) && !isSpeechConfig(config) // heads may share keys and values
  const fillWidth = layers.every(({ num_heads }) => num_heads * head_dim === config.hidden_size)
  const stock = areUniform(layers) && (grouped || fillWidth)
  const { num_key_value_heads, ...sizes } = largest(layers)
  return {
    ...config,
    model_type: stock ? family : PREFIX + family,
    ...(Array.isArray(config.architectures) && {
      architectures: config.architectures.map((name) => className(String(name), stock)),
    }),
    num_hidden_layers: layers.length,
    ...sizes,
    ...(grouped && { num_key_value_heads }),
    ...(fillWidth && (given == null || !grouped) ? {} : { head_dim }),
    ...layerTypes(config, layers),
    ...(!stock && { layers: layers.map(layerEntry) }),
  }
}

function className(name: string, stock: boolean): string {
  const known = name.startsWith(CLASS_PREFIX) ? name.slice(CLASS_PREFIX.length) : name
  return stock ? known : CLASS_PREFIX + known
}

// Of uniform blocks: those of each. Loaders take hidden_size / heads as the size of a head where the key is absent.
function largest(layers: readonly LayerSpec[]) {
  const most = (key: 'num_heads' | 'num_kv_heads' | 'intermediate_size') =>
    Math.max(...layers.map((layer) => layer[key]))
  return {
    num_attention_heads: most('num_heads'),
    num_key_value_heads: most('num_kv_heads'),
    intermediate_size: most('intermediate_size'),
  }
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
