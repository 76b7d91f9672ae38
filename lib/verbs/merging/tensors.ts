/** The tensors of the result: from which tensors of which models each is made, and with which parameters. */
import { commonDtype } from '../../checkpoint/dtype_key'
import type { MergeConfig, MergeDtype } from '../../config/merge'
import { MERGE_METHODS } from '../../config/merge_methods'
import { depthOf, lookUp, type Place } from '../../config/merge_parameters'
import { configError } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { ownerOf } from './references'
import { membersOf, type PlannedSlice, type PlannedSource } from './slices'

/** What planning has to know of a model. */
export interface ModelTensors {
  /** By name; dtype as in safetensors. */
  tensors: ReadonlyMap<string, { dtype: string; shape: readonly number[] }>
  /** The output head is the embedding. */
  tied: boolean
}

/** A tensor of a model. */
export interface Origin {
  model: string
  tensor: string
}

export interface PlannedInput extends Origin {
  parameters: Record<string, number>
}

export interface PlannedTensor {
  name: string
  /** As in safetensors. */
  dtype: string
  /** With `compat`: what inputs are cast to on load, and every step is rounded to. */
  working_dtype?: string
  base?: Origin
  inputs: PlannedInput[]
  parameters: Record<string, number>
  /** Its rows are tokens. */
  rows: boolean
}

export interface TensorPlan {
  tensors: PlannedTensor[]
  /** Whether the result has an output head of its own. */
  head: boolean
  /** Tensors of the models that the result does without: tables that config.json gives. */
  leftOut: string[]
}

export const EMBEDDING = 'model.embed_tokens.weight'
export const HEAD = 'lm_head.weight'
const LAYER = /^model\.layers\.(\d+)\.(.+)$/
const TABLE = /\.rotary_emb\.inv_freq$/
const DTYPES: Record<MergeDtype, string> = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' }

/** The tensor that a model has as its output head; mergekit takes a stored one also where config.json says tied. */
export function headOf({ tensors, tied }: ModelTensors, compat: boolean): string {
  return tied && !(compat && tensors.has(HEAD)) ? EMBEDDING : HEAD
}

/**
 * Embedding, layers, final norm and head of the result, in this order. Embedding, norm and head have depth 0; the
 * embedding is made of the sources of the first slice, norm and head of those of the last. Throws ERR_MISSING_TENSOR
 * where a model lacks what another has, ERR_CONFIG where a parameter without default is not given.
 */
export function planTensors(
  config: MergeConfig,
  slices: readonly PlannedSlice[],
  models: ReadonlyMap<string, ModelTensors>,
  file: string,
): TensorPlan {
  const planner = new TensorPlanner(config, models, file)
  planner.outside(slices[0]!, (name) => name === EMBEDDING)
  let offset = 0
  for (const slice of slices) {
    planner.layers(slice, offset)
    offset += slice.layers
  }
  planner.outside(slices.at(-1)!, (name) => name !== EMBEDDING && name !== HEAD)
  const head = needsHead(slices, models, config.compat !== undefined)
  if (head) planner.head(slices.at(-1)!)
  return { tensors: planner.finish(), head, leftOut: planner.leftOut }
}

// Of tied models the head is the embedding of the result, unless the result begins and ends with other models.
function needsHead(
  slices: readonly PlannedSlice[],
  models: ReadonlyMap<string, ModelTensors>,
  compat: boolean,
): boolean {
  const [first, last] = [slices[0]!, slices.at(-1)!].map((slice) =>
    membersOf(slice).map(({ model }) => model),
  )
  if (last!.some((model) => headOf(models.get(model)!, compat) === HEAD)) return true
  return first!.join('\n') !== last!.join('\n')
}

/** The names of a model's tensors: outside of the layers whole, of each layer what follows its number. */
interface NameParts {
  outside: string[]
  layers: Map<number, string[]>
  tables: string[]
}

function partsOf(names: Iterable<string>): NameParts {
  const parts: NameParts = { outside: [], layers: new Map(), tables: [] }
  for (const name of names) {
    const [, layer, suffix] = LAYER.exec(name) ?? []
    if (TABLE.test(name)) parts.tables.push(name)
    else if (suffix === undefined) parts.outside.push(name)
    else if (parts.layers.get(Number(layer))?.push(suffix) === undefined)
      parts.layers.set(Number(layer), [suffix])
  }
  return parts
}

class TensorPlanner {
  private readonly planned: PlannedTensor[] = []
  private readonly missing: string[] = []
  private readonly method
  /** Whose dtype the result has, where nothing says another. */
  private readonly owner: string
  private readonly parts: ReadonlyMap<string, NameParts>

  constructor(
    private readonly config: MergeConfig,
    private readonly models: ReadonlyMap<string, ModelTensors>,
    private readonly file: string,
  ) {
    this.method = MERGE_METHODS[config.merge_method]!
    this.owner = ownerOf(config)
    this.parts = new Map([...models].map(([model, { tensors }]) => [model, partsOf(tensors.keys())]))
  }

  /** Tables that config.json gives. */
  get leftOut(): string[] {
    return [...new Set([...this.parts.values()].flatMap(({ tables }) => tables))].sort()
  }

  /** Tensors outside of the layers. */
  outside(slice: PlannedSlice, wanted: (name: string) => boolean): void {
    const names = this.names(slice, ({ model }) => this.parts.get(model)!.outside)
    for (const name of names) if (wanted(name)) this.add(slice, name, 0, () => name)
  }

  layers(slice: PlannedSlice, offset: number): void {
    for (let i = 0; i < slice.layers; i++) {
      const suffixes = this.names(
        slice,
        ({ model, first }) => this.parts.get(model)!.layers.get(first + i) ?? [],
      )
      const t = depthOf(i, slice.layers)
      const nameIn = (layer: number, suffix: string) => `model.layers.${layer}.${suffix}`
      for (const suffix of suffixes)
        this.add(slice, nameIn(offset + i, suffix), t, ({ first }) => nameIn(first + i, suffix))
    }
  }

  head(slice: PlannedSlice): void {
    this.add(slice, HEAD, 0, ({ model }) => headOf(this.models.get(model)!, this.config.compat !== undefined))
  }

  finish(): PlannedTensor[] {
    if (this.missing.length === 0) return this.planned
    const shown = this.missing.slice(0, 20).map((row) => `\n  ${row}`)
    const more = this.missing.length > 20 ? `\n  and ${this.missing.length - 20} more` : ''
    throw new TongueforgeError(
      'ERR_MISSING_TENSOR',
      `Expected every model of a layer to have the same tensors (${this.missing.length}):${shown.join('')}${more}`,
      {
        hint: 'Is a download incomplete? Models with and without biases or norms of heads cannot be merged.',
        details: { count: this.missing.length, tensors: this.missing.slice(0, 20) },
      },
    )
  }

  /** What the models of a slice have, in the order of their names. */
  private names(slice: PlannedSlice, namesOf: (source: PlannedSource) => readonly string[]): string[] {
    return [...new Set(membersOf(slice).flatMap(namesOf))].sort()
  }

  private add(
    slice: PlannedSlice,
    name: string,
    t: number,
    tensorOf: (source: PlannedSource) => string,
  ): void {
    const members = membersOf(slice).map((source) => ({ source, tensor: tensorOf(source) }))
    const lacking = members.filter(
      ({ source, tensor }) => !this.models.get(source.model)!.tensors.has(tensor),
    )
    for (const { source, tensor } of lacking) this.missing.push(`${tensor}: not in ${source.model}`)
    if (lacking.length > 0) return
    const place = { tensor: name, t }
    const inputs = slice.sources.map((source, i) => ({
      model: source.model,
      tensor: members[i]!.tensor,
      parameters: this.parametersOf('model', place, slice, source),
    }))
    const base = slice.base && { model: slice.base.model, tensor: members.at(-1)!.tensor }
    const parameters = this.parametersOf('tensor', place, slice)
    this.planned.push({
      name,
      ...this.dtypesOf(base, inputs),
      ...(base && { base }),
      inputs,
      parameters,
      rows: name === EMBEDDING || name === HEAD,
    })
  }

  // mergekit works in dtype, else in the type of the base, else in one that holds all inputs.
  private dtypesOf(base: Origin | undefined, inputs: readonly Origin[]) {
    const { out_dtype, dtype, compat } = this.config
    const stored = ({ model, tensor }: Origin) => this.models.get(model)!.tensors.get(tensor)!.dtype
    const types = new Set(inputs.map(stored))
    const working = dtype
      ? DTYPES[dtype]
      : base
        ? stored(base)
        : types.size === 1
          ? stored(inputs[0]!)
          : 'F32'
    if (compat) return { dtype: out_dtype ? DTYPES[out_dtype] : working, working_dtype: working }
    const wanted = out_dtype ?? dtype
    if (wanted) return { dtype: DTYPES[wanted] }
    const owned = [...(base ? [base] : []), ...inputs].find(({ model }) => model === this.owner)
    return { dtype: owned ? stored(owned) : commonDtype([...this.models.get(this.owner)!.tensors.values()]) }
  }

  private parametersOf(
    per: 'model' | 'tensor',
    place: Place,
    slice: PlannedSlice,
    source?: PlannedSource,
  ): Record<string, number> {
    const tables = [source?.parameters, slice.parameters, this.config.parameters]
    const values: Record<string, number> = {}
    for (const [name, parameter] of Object.entries(this.method.parameters)) {
      if (parameter.per !== per) continue
      const value = lookUp(tables, name, place) ?? parameter.default
      if (value === undefined) throw this.notGiven(name, place, source)
      if (!parameter.ignored) values[name] = value
    }
    const problem = per === 'model' ? this.method.check?.(values) : undefined
    if (problem) throw this.unfit(problem, place, source)
    return values
  }

  private notGiven(name: string, { tensor }: Place, source: PlannedSource | undefined) {
    const whose = source ? ` for ${source.model}` : ''
    return configError(this.file, `${name}: expected a value${whose} at ${tensor}, received nothing`, {
      key: name,
      hint: source
        ? `Beside the model: parameters: {${name}: 1}; or one for all at the top level.`
        : `At the top level: parameters: {${name}: 0.5}.`,
    })
  }

  private unfit(problem: string, { tensor }: Place, source: PlannedSource | undefined) {
    return configError(this.file, `${this.config.merge_method}: ${problem} (${source?.model}, ${tensor})`, {
      key: 'parameters',
      hint: 'Take another density or epsilon: epsilon: 0.1 goes with densities from 0.11 to 0.89.',
    })
  }
}
