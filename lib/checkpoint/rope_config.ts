import { z } from 'zod'

// Rotary position embedding: from the keys of config.json to one flat, complete description.
// Two spellings exist: `rope_theta` + `rope_scaling` {rope_type | type, ...} and, since transformers 5, one
// `rope_parameters` {rope_type, rope_theta, ...}. Where both stand, `rope_scaling` wins, as it does there.

export const ROPE_KINDS = ['default', 'linear', 'dynamic', 'llama3', 'yarn'] as const
export type RopeKind = (typeof ROPE_KINDS)[number]

/** What native code needs to make the rotary frequencies. Every field is always there; a kind ignores what is not its own. */
export interface RopeSpec {
  kind: RopeKind
  /** Base of the frequencies: `1 / theta^(2i / head_dim)`. */
  theta: number
  /** How much longer the context became (linear, dynamic, llama3, yarn); 1 for default. */
  factor: number
  /** Context length of the first training (dynamic, llama3, yarn). */
  original_max_positions: number
  /** llama3: wavelengths above `original / low` are divided by factor, those below `original / high` stay. */
  low_freq_factor: number
  high_freq_factor: number
  /** yarn: what cos and sin are multiplied with, `mscale` keys already resolved; 1 for the others. */
  attention_factor: number
  /** yarn: rotations at which the ramp from extrapolation to interpolation begins and ends. */
  beta_fast: number
  beta_slow: number
  /** yarn: whether the ends of the ramp are rounded outwards to whole dimensions. */
  truncate: boolean
}

const positive = (max: number) => {
  const error = `a number above 0, up to ${max}`
  return z.number({ error }).positive({ error }).max(max, { error })
}
const theta = z.number({ error: 'a number above 1' }).gt(1, { error: 'a number above 1' }).max(1e15, {
  error: 'a number up to 1e15',
})
const positionCount = z
  .int({ error: 'a whole number of positions' })
  .positive({ error: 'a whole number of positions above 0' })
  .max(2 ** 30, { error: 'at most 2^30 positions' })

const ropeTable = z.looseObject(
  {
    rope_type: z.string({ error: 'the name of a kind' }).optional(),
    type: z.string({ error: 'the name of a kind' }).optional(),
    rope_theta: theta.nullish(),
    partial_rotary_factor: z
      .literal(1, { error: '1 (rotation of a part of the head is not supported)' })
      .nullish(),
    factor: positive(1e6).nullish(),
    original_max_position_embeddings: positionCount.nullish(),
    low_freq_factor: positive(1e6).nullish(),
    high_freq_factor: positive(1e6).nullish(),
    attention_factor: positive(1e3).nullish(),
    beta_fast: positive(1e6).nullish(),
    beta_slow: positive(1e6).nullish(),
    mscale: z.number({ error: 'a number' }).nullish(),
    mscale_all_dim: z.number({ error: 'a number' }).nullish(),
    truncate: z.boolean({ error: 'true or false' }).nullish(),
  },
  { error: 'a table of rope keys, or null' },
)
type RopeTable = z.infer<typeof ropeTable>

/** The keys of config.json that speak of rope, to be spread into the schema of the whole file. */
export const ropeKeys = {
  rope_theta: theta.nullish(),
  rope_scaling: ropeTable.nullish(),
  rope_parameters: ropeTable.nullish(),
  partial_rotary_factor: z
    .literal(1, { error: '1 (rotation of a part of the head is not supported)' })
    .nullish(),
  original_max_position_embeddings: positionCount.nullish(),
}

export interface RopeConfig {
  rope_theta?: number | null | undefined
  rope_scaling?: RopeTable | null | undefined
  rope_parameters?: RopeTable | null | undefined
  original_max_position_embeddings?: number | null | undefined
}

/** Tells what is wrong with a key, in the words of the error's message. */
export type Refuse = (key: string, expected: string, received: unknown) => never

const DEFAULT_THETA = 10000

/** Resolves the rope of a checked config; `refuse` is called with the key that cannot be understood. */
export function ropeSpec(
  config: RopeConfig,
  maxPositions: number,
  headDim: number,
  refuse: Refuse,
): RopeSpec {
  const [name, table] = chosenTable(config)
  const kind = ropeKind(name, table, refuse)
  const need = <T>(key: string, value: T | null | undefined): T =>
    value ?? refuse(`${name}.${key}`, `a value, which rope of kind ${kind} needs`, value)

  // Only these kinds look at the length of the first training; dynamic always means max_position_embeddings.
  const remembersOriginal = kind === 'llama3' || kind === 'yarn'
  const original = remembersOriginal
    ? (config.original_max_position_embeddings ?? table.original_max_position_embeddings ?? maxPositions)
    : maxPositions
  const factor =
    kind === 'default'
      ? 1
      : kind === 'yarn'
        ? (table.factor ?? maxPositions / original)
        : need('factor', table.factor)
  const spec: RopeSpec = {
    kind,
    theta: table.rope_theta ?? config.rope_theta ?? DEFAULT_THETA,
    factor,
    original_max_positions: original,
    low_freq_factor: kind === 'llama3' ? need('low_freq_factor', table.low_freq_factor) : 1,
    high_freq_factor: kind === 'llama3' ? need('high_freq_factor', table.high_freq_factor) : 1,
    attention_factor: kind === 'yarn' ? yarnAttentionFactor(table, factor) : 1,
    beta_fast: table.beta_fast ?? 32,
    beta_slow: table.beta_slow ?? 1,
    truncate: table.truncate ?? true,
  }
  checkRope(spec, name, headDim, refuse)
  return spec
}

function chosenTable(config: RopeConfig): [name: string, table: RopeTable] {
  const { rope_scaling: scaling, rope_parameters: parameters } = config
  if (scaling && Object.keys(scaling).length > 0) return ['rope_scaling', scaling]
  return ['rope_parameters', parameters ?? {}]
}

function ropeKind(name: string, table: RopeTable, refuse: Refuse): RopeKind {
  if ('full_attention' in table || 'sliding_attention' in table) {
    return refuse(name, 'one rope for all layers', table)
  }
  const kind = table.rope_type ?? table.type ?? 'default'
  const known = ROPE_KINDS.find((candidate) => candidate === kind)
  return known ?? refuse(`${name}.rope_type`, `one of ${ROPE_KINDS.join(', ')}`, kind)
}

function checkRope(rope: RopeSpec, name: string, headDim: number, refuse: Refuse): void {
  if (rope.kind === 'llama3' && rope.high_freq_factor <= rope.low_freq_factor) {
    refuse(
      `${name}.high_freq_factor`,
      `a number above low_freq_factor (${rope.low_freq_factor})`,
      rope.high_freq_factor,
    )
  }
  // Its base is raised to dim / (dim - 2).
  if (rope.kind === 'dynamic' && headDim < 4)
    refuse('head_dim', 'at least 4 with rope of kind dynamic', headDim)
}

/** YaRN's temperature (arXiv 2309.00071, equation 22), with the two `mscale` keys that DeepSeek added. */
function yarnAttentionFactor(table: RopeTable, factor: number): number {
  if (table.attention_factor != null) return table.attention_factor
  const scale = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1)
  const { mscale, mscale_all_dim: mscaleAll } = table
  return mscale && mscaleAll ? scale(mscale) / scale(mscaleAll) : scale(1)
}
