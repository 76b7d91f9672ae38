/** What says in config.json that a model has blocks of several sizes; layer_config.ts writes it. */
import { z } from 'zod'
import { integer } from './config_checks'
import type { JsonObject } from './json_file'

export const PREFIX = 'tongueforge_'

/** The key `layers` of such a config. */
export const layerEntries = z.array(
  z.strictObject({
    num_attention_heads: integer(1, 2 ** 16),
    num_key_value_heads: integer(1, 2 ** 16),
    intermediate_size: integer(1, 2 ** 22),
    ranks: z.record(z.string(), integer(1, 2 ** 22)).default({}),
  }),
  { error: 'a list of sizes, one entry a layer' },
)

export type LayerEntry = z.infer<typeof layerEntries>[number]

/** `tongueforge_llama` -> `llama`; others as they are. */
export const familyOf = (modelType: unknown): unknown =>
  typeof modelType === 'string' && modelType.startsWith(PREFIX) ? modelType.slice(PREFIX.length) : modelType

/** Whether `layers` of a config.json has the sizes. */
export const hasOwnLayers = (config: JsonObject): boolean => familyOf(config.model_type) !== config.model_type
