/**
 * adapter_config.json as PEFT writes it. Read strictly: what would change the arithmetic and is not done here is
 * refused with its reason, so that no adapter is ever applied by half.
 */
import { z } from 'zod'
import { TongueforgeError } from '../errors'
import { describeValue, type JsonObject } from './json_file'

/** How the low-rank products of an adapter count. */
export interface AdapterConfig {
  rank: number
  alpha: number
  /** alpha / sqrt(rank) instead of alpha / rank. */
  rslora: boolean
  /** Regular expressions over ends of module names, and what holds for those modules instead. */
  rankPattern: Record<string, number>
  alphaPattern: Record<string, number>
  dropout: number
  /** What it was trained on, as its config says. */
  base: string | undefined
  raw: JsonObject
}

const number = z.number().positive()
const schema = z.looseObject({
  peft_type: z.string(),
  r: z.int().positive(),
  lora_alpha: number,
  lora_dropout: z.number().min(0).lt(1).nullish(),
  use_rslora: z.boolean().nullish(),
  rank_pattern: z.record(z.string(), z.int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), number).nullish(),
  base_model_name_or_path: z.string().nullish(),
})

/** Keys that must be off, and what they would mean. */
const REFUSED: Record<string, string> = {
  use_dora: 'DoRA scales every row of the sum anew',
  fan_in_fan_out: 'weights stored transposed, as GPT-2 has them',
  use_qalora: 'QA-LoRA pools its inputs',
  lora_bias: 'a bias on B',
  layer_replication: 'layers that are used several times',
  alora_invocation_tokens: 'an adapter that acts after certain tokens only',
  trainable_token_indices: 'single rows of the embedding',
  target_parameters: 'adapters on bare parameters',
  megatron_config: 'layers split by Megatron',
  use_bdlora: 'block-diagonal factors',
  kasa_config: 'KaSA, which changes the weights too',
  velora_config: 'VeLoRA, which changes the product',
  monteclora_config: 'MonteCLoRA, which samples the product',
  arrow_config: 'a choice among several adapters',
}
/** Initialisations that leave A and B as they are: others subtract their first product from the base. */
const PLAIN_INITS = new Set<unknown>([true, false, null, undefined, 'gaussian', 'eva', 'orthogonal'])

/** Throws ERR_ADAPTER naming the file and key. */
export function adapterConfig(raw: JsonObject, file: string): AdapterConfig {
  if (raw.peft_type !== 'LORA') {
    throw refusal(file, 'peft_type', '"LORA"', raw.peft_type, 'Other kinds of adapters are not supported.')
  }
  const result = schema.safeParse(raw)
  if (!result.success) {
    const [issue] = result.error.issues
    const key = issue!.path.map(String)
    const received = key.reduce<unknown>((node, part) => (node as JsonObject | undefined)?.[part], raw)
    throw refusal(file, key.join('.'), 'a value as PEFT writes it', received)
  }
  for (const [key, meaning] of Object.entries(REFUSED)) {
    if (!isOff(raw[key]))
      throw refusal(file, key, `none (${meaning}: not supported)`, raw[key], MERGE_IN_PEFT)
  }
  const init = raw.init_lora_weights
  if (!PLAIN_INITS.has(init)) {
    throw refusal(file, 'init_lora_weights', 'an initialisation that leaves the base as it is', init, CONVERT)
  }
  const { r, lora_alpha, lora_dropout, use_rslora, rank_pattern, alpha_pattern, base_model_name_or_path } =
    result.data
  for (const pattern of Object.keys({ ...rank_pattern, ...alpha_pattern })) patternOf(pattern, file)
  return {
    rank: r,
    alpha: lora_alpha,
    rslora: use_rslora ?? false,
    rankPattern: rank_pattern ?? {},
    alphaPattern: alpha_pattern ?? {},
    dropout: lora_dropout ?? 0,
    base: base_model_name_or_path ?? undefined,
    raw,
  }
}

const MERGE_IN_PEFT = 'Merge it with PEFT (merge_and_unload) and use the model that this gives.'
const CONVERT = 'Convert it to a plain LoRA when saving: PEFT, path_initial_model_for_weight_conversion.'

const isOff = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** Rank and scale of one module. */
export function lowRankOf(
  config: AdapterConfig,
  module: string,
  file: string,
): { rank: number; scale: number } {
  const rank = matching(config.rankPattern, module, file) ?? config.rank
  const alpha = matching(config.alphaPattern, module, file) ?? config.alpha
  return { rank, scale: alpha / (config.rslora ? Math.sqrt(rank) : rank) }
}

// As in PEFT, the first that matches.
function matching(patterns: Record<string, number>, module: string, file: string): number | undefined {
  for (const [pattern, value] of Object.entries(patterns))
    if (patternOf(pattern, file).test(module)) return value
  return undefined
}

const MAX_PATTERN = 500
// Repeated groups can take for ever on a name that does not match; PEFT itself writes plain names.
const REPEATED_GROUP = /\)[*+{?]|[*+}]\s*[*+{]/

function patternOf(pattern: string, file: string): RegExp {
  try {
    if (pattern.length <= MAX_PATTERN && !REPEATED_GROUP.test(pattern))
      return new RegExp(`^(?:.*\\.)?(?:${pattern})$`)
  } catch {
    // refused below
  }
  throw refusal(file, 'rank_pattern, alpha_pattern', 'ends of module names, or plain patterns', pattern)
}

function refusal(
  file: string,
  key: string,
  expected: string,
  received: unknown,
  hint?: string,
): TongueforgeError {
  return new TongueforgeError(
    'ERR_ADAPTER',
    `${file}: ${key}: expected ${expected}, received ${describeValue(received)}`,
    { hint, details: { file, key, received } },
  )
}

/** What a new adapter's config says, besides what PEFT takes by default. */
export interface NewAdapter {
  rank: number
  alpha: number
  rslora: boolean
  dropout: number
  /** Modules with an adapter, and all modules that could have one. */
  modules: readonly string[]
  linears: readonly string[]
  /** Modules that are trained as a whole. */
  also: readonly string[]
  /** The head is the embedding, also where both are trained. */
  tied: boolean
  base: string
}

/** The content of adapter_config.json. */
export function newAdapterConfig(adapter: NewAdapter): JsonObject {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: adapter.base,
    inference_mode: true,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    lora_dropout: adapter.dropout,
    use_rslora: adapter.rslora,
    target_modules: shortNames(adapter.modules, adapter.linears),
    modules_to_save: adapter.also.length > 0 ? [...adapter.also] : null,
    ...(adapter.also.length > 0 && adapter.tied && { ensure_weight_tying: true }),
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    rank_pattern: {},
    alpha_pattern: {},
  }
}

// q_proj instead of every layer's, where all of that name are meant.
function shortNames(modules: readonly string[], linears: readonly string[]): string[] {
  const last = (name: string) => name.slice(name.lastIndexOf('.') + 1)
  const chosen = new Set(modules)
  const partly = new Set(linears.filter((name) => !chosen.has(name)).map(last))
  return [...new Set(modules.map((name) => (partly.has(last(name)) ? name : last(name))))].sort()
}
