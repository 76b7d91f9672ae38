/**
 * `quantization_config` of a model whose linear layers are whole numbers with scales: the layout pack-quantized of
 * compressed-tensors, which transformers and vLLM load.
 */
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { checkedConfig } from './config_checks'
import type { JsonObject } from './json_file'

/** How the weights of linear layers are stored. */
export interface Quantization {
  bits: 4 | 8
  /** Inputs that share a scale; 0: all of an output. */
  group: number
  /** Whether zero is the middle of the grid; else each group has a zero point. */
  symmetric: boolean
  /** Names of modules that are stored as they are: `lm_head`. */
  ignore: string[]
}

export interface SpecOptions {
  /** Whether whole numbers will do; else a quantised model is refused. */
  quantized?: boolean
}

const none = (what: string) => z.null({ error: `no ${what}` }).optional()

const weightsSchema = z.looseObject({
  num_bits: z.literal([4, 8], { error: '4 or 8' }),
  type: z.literal('int', { error: '"int"' }),
  symmetric: z.boolean({ error: 'true or false' }),
  strategy: z.enum(['group', 'channel'], { error: '"group" or "channel"' }),
  group_size: z.int({ error: 'a whole number' }).min(1, { error: 'a whole number from 1' }).nullish(),
  actorder: z.union([none('order'), z.enum(['static', 'weight'])], {
    error: 'groups in the order of the inputs: "static", or none',
  }),
})

const quantizationSchema = z.looseObject({
  quantization_config: z.looseObject({
    quant_method: z.literal('compressed-tensors', { error: '"compressed-tensors"' }),
    format: z.literal('pack-quantized', { error: '"pack-quantized"' }),
    ignore: z.array(z.string()).nullish(),
    kv_cache_scheme: none('quantised cache'),
    config_groups: z
      .record(
        z.string(),
        z.looseObject({
          weights: weightsSchema,
          input_activations: none('quantised activations'),
          output_activations: none('quantised activations'),
        }),
        { error: 'a group of layers' },
      )
      .refine((groups) => Object.keys(groups).length === 1, { error: 'one group of layers' }),
  }),
})

/**
 * What config.json says of quantisation; nothing where it says none. Throws ERR_MODEL_CONFIG for other layouts, and for
 * any where the weights themselves are needed (`allowed` false).
 */
export function quantizationOf(
  content: JsonObject,
  file: string,
  { allowed }: { allowed: boolean },
): Quantization | undefined {
  if (content.quantization_config == null) return undefined
  if (!allowed) throw quantised(file)
  const { quantization_config: config } = checkedConfig(quantizationSchema, content, file)
  const [{ weights }] = Object.values(config.config_groups) as [{ weights: z.infer<typeof weightsSchema> }]
  return {
    bits: weights.num_bits,
    group: weights.strategy === 'group' ? (weights.group_size ?? 0) : 0,
    symmetric: weights.symmetric,
    ignore: config.ignore ?? [],
  }
}

/** ERR_MODEL_CONFIG: only loading, generating and measuring go with whole numbers. */
export function quantised(file: string): TongueforgeError {
  const key = 'quantization_config'
  return new TongueforgeError(
    'ERR_MODEL_CONFIG',
    `${file}: ${key}: expected no quantisation where weights are changed, received a quantised model`,
    {
      hint: 'Take the model that it was quantised from, and quantise the result: quantised models are loaded, run, measured and inspected only.',
      details: { file, key },
    },
  )
}

/** What config.json of a model says that was quantised so. */
export const quantizationConfig = ({ bits, group, symmetric, ignore }: Quantization): JsonObject => ({
  quantization_config: {
    quant_method: 'compressed-tensors',
    format: 'pack-quantized',
    quantization_status: 'compressed',
    global_compression_ratio: null,
    ignore,
    kv_cache_scheme: null,
    config_groups: {
      group_0: {
        targets: ['Linear'],
        weights: {
          num_bits: bits,
          type: 'int',
          symmetric,
          strategy: group > 0 ? 'group' : 'channel',
          group_size: group > 0 ? group : null,
          dynamic: false,
          actorder: null,
        },
        input_activations: null,
        output_activations: null,
      },
    },
  },
})
