/** Which parameters a run trains, resolved from patterns to names: all, all but the frozen, or adapters. */
import { newAdapterConfig } from '../../checkpoint/adapter_config'
import type { AdapterFolder, AdapterModule } from '../../checkpoint/adapter_folder'
import type { JsonObject } from '../../checkpoint/json_file'
import { hasTiedHead, type ModelSpec } from '../../checkpoint/model_spec'
import { matchNames } from '../../config/name_patterns'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import { type ParameterDescription, runJob } from '../../native'

export interface LoraPlan {
  modules: AdapterModule[]
  dropout: number
  /** Parameters that are trained as a whole. */
  also: string[]
  /** The content of adapter_config.json. */
  config: JsonObject
  /** Where A and B start from; undefined: A random, B zero. */
  start: AdapterFolder | undefined
  merge: boolean
}

export interface Trained {
  /** Names on disk. */
  frozen: string[]
  /** Numbers that are trained: adapters, what is beside the model, and parameters of it that are not frozen. */
  parameters: number
  /** Those of them that are the model's own. */
  own_parameters: number
  /** Of every tensor that is trained. */
  shapes: readonly (readonly number[])[]
  /** Blocks that the gradient goes through: those from the lowest trained tensor up. */
  recorded_blocks: number
  /** Whether the matrix of the head is trained. */
  head: boolean
  /** Of every trained tensor that weight pruning works on. */
  prunable: readonly (readonly number[])[]
  lora?: LoraPlan
}

const RANK = 16

interface TrainedInputs {
  base: string | undefined
  adapter: AdapterFolder | undefined
  /** Shapes of what is trained and is no part of the model. */
  beside?: readonly (readonly number[])[]
}

/** Throws ERR_CONFIG for patterns that match nothing, for what contradicts itself, and where nothing is left to train. */
export async function planTrained(
  config: TrainConfig,
  spec: ModelSpec,
  { base, adapter, beside = [] }: TrainedInputs,
): Promise<Trained> {
  const parameters = await runJob('describeModel', { spec })
  const names = parameters.map(({ name }) => name)
  const frozen = new Set(matchNames(config.freeze ?? [], names, { key: 'freeze' }))
  for (const { name, trainable } of parameters) if (!trainable) frozen.add(name)
  const lora = config.lora && planLora(config, parameters, { spec, base: base!, adapter })
  if (lora) for (const name of names) if (!lora.also.includes(name)) frozen.add(name)
  const own = parameters.filter(({ name }) => !frozen.has(name))
  const ownShapes = own.map(({ shape }) => shape)
  const adapters = lora ? shapesOfAdapters(lora.modules, parameters) : []
  const shapes = [...ownShapes, ...adapters, ...beside]
  if (ownShapes.length + adapters.length === 0) throw allFrozen()
  const places = [...own.map(({ name }) => name), ...(lora?.modules ?? []).map(({ module }) => module)]
  return {
    frozen: [...frozen],
    parameters: total(shapes),
    own_parameters: total(ownShapes),
    shapes,
    recorded_blocks:
      spec.layers.length - Math.min(...places.map((name) => blockOf(name, spec.layers.length))),
    head: own.some(({ name }) => (hasTiedHead(spec) ? EMBEDDING : HEAD).test(name)),
    prunable: own.filter(({ prunable }) => prunable).map(({ shape }) => shape),
    ...(lora && { lora }),
  }
}

const EMBEDDING = /(^|\.)(embed_tokens|word_embeddings)\.weight$/
const HEAD = /^(lm_head|lm_head\.decoder|cls\.predictions\.decoder)\.weight$/
/** Tables that come before all blocks. */
const INPUT = /(^|\.)embed(_tokens|dings)\./

// The block that a tensor lies in, the first for the input table, `count` for what comes after all blocks.
function blockOf(name: string, count: number): number {
  if (INPUT.test(name)) return 0
  return Number(/(^|\.)layers?\.(\d+)\./.exec(name)?.[2] ?? count)
}

const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
const total = (shapes: readonly (readonly number[])[]) => shapes.reduce((sum, shape) => sum + size(shape), 0)

// A and B of each.
function shapesOfAdapters(
  modules: readonly AdapterModule[],
  parameters: readonly ParameterDescription[],
): number[][] {
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]))
  return modules.flatMap(({ module, rank }) => {
    const [rows = 0, columns = 0] = shapes.get(`${module}.weight`) ?? []
    return [
      [rank, columns],
      [rows, rank],
    ]
  })
}

interface LoraInputs {
  spec: ModelSpec
  base: string
  adapter: AdapterFolder | undefined
}

function planLora(
  config: TrainConfig,
  parameters: readonly ParameterDescription[],
  inputs: LoraInputs,
): LoraPlan {
  const { adapter } = inputs
  const lora = config.lora!
  const { dropout, merge } = lora
  if (config.freeze) {
    throw contradiction('freeze', 'no freeze beside lora', 'lora freezes all but lora.also.')
  }
  if (!adapter) return { ...newLora(config, parameters, inputs), dropout, start: undefined, merge }
  for (const key of ['rank', 'alpha', 'rslora', 'targets', 'also'] as const) {
    if (lora[key] !== undefined)
      throw contradiction(
        `lora.${key}`,
        'nothing beside adapter',
        'The adapter that is trained on has its own.',
      )
  }
  const { modules, replaced } = adapter
  const names = new Set(parameters.map(({ name }) => name))
  return {
    modules,
    // Of a tied model the file has both ends of the table, and the model one parameter.
    also: replaced.filter((name) => names.has(name)),
    config: { ...adapter.config.raw, inference_mode: true },
    dropout,
    start: adapter,
    merge,
  }
}

function newLora(
  { lora }: TrainConfig,
  parameters: readonly ParameterDescription[],
  { spec, base }: LoraInputs,
): Pick<LoraPlan, 'modules' | 'also' | 'config'> {
  const { rank = RANK, alpha = 2 * rank, rslora = false, targets = 'all', dropout } = lora!
  const linears = parameters.flatMap(({ name, linear }) => (linear ? [moduleOf(name)] : []))
  const chosen =
    targets === 'all' ? linears : matchNames(targets, linears, { key: 'lora.targets', suffixes: true })
  const scale = alpha / (rslora ? Math.sqrt(rank) : rank)
  const names = parameters.map(({ name }) => name)
  const also = matchNames(lora!.also ?? [], names, { key: 'lora.also' })
  const twice = also.find((name) => chosen.includes(moduleOf(name)))
  if (twice !== undefined) {
    throw contradiction(
      'lora.also',
      'parameters of layers without an adapter',
      `${twice} belongs to one with.`,
    )
  }
  return {
    modules: chosen.map((module) => ({ module, rank, scale })),
    also,
    config: newAdapterConfig({
      rank,
      alpha,
      rslora,
      dropout,
      modules: chosen,
      linears,
      also: [...new Set(also.map(moduleOf))],
      tied: hasTiedHead(spec),
      base,
    }),
  }
}

const moduleOf = (parameter: string) => parameter.slice(0, parameter.lastIndexOf('.'))

function contradiction(key: string, expected: string, hint: string): TongueforgeError {
  return new TongueforgeError('ERR_CONFIG', `config: ${key}: expected ${expected}`, {
    hint,
    details: { key },
  })
}

function allFrozen(): TongueforgeError {
  return new TongueforgeError(
    'ERR_CONFIG',
    'config: freeze: expected something left to train, and all is frozen',
    {
      hint: 'Name fewer parameters, or train adapters with `lora`.',
      details: { key: 'freeze' },
    },
  )
}
