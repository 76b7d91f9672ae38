/**
 * The methods of `merge` and their parameters: one row a method, the names mergekit-yaml knows them by. What a method
 * computes stands in native/merge/methods/, one file a method; a test compares the two lists.
 */

/** What a merge of several models takes as the point that deltas are counted from. */
export type BaseRule =
  /** base_model is needed, and is no input of its own. */
  | 'required'
  /** Where base_model is given it is the origin. */
  | 'optional'
  /** base_model is one of the models, as all others are. */
  | 'none'

export interface MethodParameter {
  /** Each model may have a value of its own; others hold for a tensor as a whole. */
  per: 'model' | 'tensor'
  /** Absent: the parameter must be given. */
  default?: number
  /** Accepted for the sake of existing configs: it changes no number. */
  ignored?: true
  least?: number
  /** `least` itself is too small. */
  above?: true
  most?: number
}

export interface MergeMethod {
  summary: string
  base: BaseRule
  /** Models besides the base. */
  inputs: { least: number; most: number }
  parameters: Record<string, MethodParameter>
  /** Why values do not go together, beside the bounds of each. */
  check?: (values: Record<string, number>) => string | undefined
}

const weight: MethodParameter = { per: 'model' }
const density: MethodParameter = { per: 'model', default: 1, least: 0, above: true, most: 1 }
const lambda: MethodParameter = { per: 'tensor', default: 1 }
const int8_mask: MethodParameter = { per: 'tensor', default: 0, ignored: true }
const normalize = (on: 0 | 1): MethodParameter => ({ per: 'tensor', default: on })
const rescale: MethodParameter = { per: 'tensor', default: 1 }
const several = { least: 1, most: Number.POSITIVE_INFINITY }
const one = { least: 1, most: 1 }

const deltas = { base: 'required', inputs: several } as const
const vectors = { weight, lambda, int8_mask }
const dare = { ...vectors, density, rescale, normalize: normalize(0) }
const gamma: MethodParameter = { per: 'model', default: 0.01, least: 0, most: 1 }
const breadcrumbs = { ...vectors, density, gamma, normalize: normalize(0) }
const epsilon: MethodParameter = { per: 'model', default: 0.15, least: 0, most: 1 }
const della = { ...vectors, density, epsilon, rescale }
const difference: MethodParameter = { per: 'tensor', default: 1e-5, least: 0 }

// A density of 1 drops nothing, whatever epsilon is.
function dellaRange({ density, epsilon }: Record<string, number>): string | undefined {
  if (density! >= 1) return undefined
  if (density! - epsilon! > 0 && density! + epsilon! < 1) return undefined
  return `expected density - epsilon above 0 and density + epsilon below 1, received density ${density} and epsilon ${epsilon}`
}

export const MERGE_METHODS: Record<string, MergeMethod> = {
  linear: {
    summary: 'weighted mean of the models',
    base: 'none',
    inputs: several,
    parameters: { weight, normalize: normalize(1) },
  },
  slerp: {
    summary: 'along the great circle from base_model to the other model',
    base: 'required',
    inputs: one,
    parameters: { t: { per: 'tensor' } },
  },
  nuslerp: {
    summary: 'along the great circle between two models, or between their deltas from base_model',
    base: 'optional',
    inputs: { least: 2, most: 2 },
    parameters: {
      weight,
      nuslerp_flatten: { per: 'tensor', default: 1 },
      nuslerp_row_wise: { per: 'tensor', default: 0 },
    },
  },
  multislerp: {
    summary: 'barycentre of the models on the sphere, or of their deltas from base_model',
    base: 'optional',
    inputs: { least: 2, most: Number.POSITIVE_INFINITY },
    parameters: {
      weight,
      normalize_weights: { per: 'tensor', default: 1 },
      eps: { per: 'tensor', default: 1e-8, least: 0 },
    },
  },
  karcher: {
    summary: 'Riemannian mean of the models on the sphere',
    base: 'none',
    inputs: { least: 2, most: Number.POSITIVE_INFINITY },
    parameters: {
      max_iter: { per: 'tensor', default: 10, least: 1, most: 2 ** 31 - 1 },
      tol: { per: 'tensor', default: 1e-5, least: 0 },
    },
  },
  task_arithmetic: {
    summary: 'base_model plus the weighted sum of the deltas (arXiv 2212.04089)',
    ...deltas,
    parameters: { ...vectors, normalize: normalize(0) },
  },
  ties: {
    summary: 'deltas trimmed to the largest, signs elected, agreeing values averaged (arXiv 2306.01708)',
    ...deltas,
    parameters: { ...vectors, density, normalize: normalize(1) },
  },
  dare_linear: {
    summary: 'deltas dropped at random and rescaled, then summed (arXiv 2311.03099)',
    ...deltas,
    parameters: dare,
  },
  dare_ties: {
    summary: 'as dare_linear, with the election of signs of ties',
    ...deltas,
    parameters: dare,
  },
  breadcrumbs: {
    summary: 'deltas without their largest and smallest values, summed (arXiv 2312.06795)',
    ...deltas,
    parameters: breadcrumbs,
  },
  breadcrumbs_ties: {
    summary: 'as breadcrumbs, with the election of signs of ties',
    ...deltas,
    parameters: breadcrumbs,
  },
  della: {
    summary: 'deltas dropped at random, small ones likelier, then as ties (arXiv 2406.11617)',
    ...deltas,
    parameters: { ...della, normalize: normalize(1) },
    check: dellaRange,
  },
  della_linear: {
    summary: 'as della, summed without the election of signs',
    ...deltas,
    parameters: { ...della, normalize: normalize(0) },
    check: dellaRange,
  },
  sce: {
    summary: 'positions of largest variance, weights from the energy of the deltas (arXiv 2408.07990)',
    ...deltas,
    parameters: { select_topk: { per: 'tensor', default: 1, least: 0, most: 1 }, int8_mask },
  },
  model_stock: {
    summary: 'mean of the models drawn to base_model by the angle between them (arXiv 2403.19522)',
    base: 'required',
    inputs: { least: 2, most: Number.POSITIVE_INFINITY },
    parameters: { filter_wise: { per: 'tensor', default: 0 } },
  },
  nearswap: {
    summary: 'towards the other model where it is near',
    base: 'required',
    inputs: one,
    parameters: { t: { per: 'tensor' } },
  },
  arcee_fusion: {
    summary: 'the changes of the other model that stand out',
    base: 'required',
    inputs: one,
    parameters: {},
  },
  passthrough: {
    summary: 'the tensors of one model as they are, or scaled',
    base: 'none',
    inputs: one,
    parameters: { scale: { per: 'model', default: 1 } },
  },
  ram: {
    summary: 'values that one model alone has changed kept, those of several averaged',
    ...deltas,
    parameters: { epsilon: difference },
  },
  ramplus_tl: {
    summary: 'as ram, with what one model alone has changed scaled up by what it shares',
    ...deltas,
    parameters: {
      epsilon: difference,
      r: { per: 'tensor', default: 0.1 },
      alpha: { per: 'tensor', default: 0.2 },
    },
  },
}

export const METHOD_NAMES = Object.keys(MERGE_METHODS) as [string, ...string[]]
