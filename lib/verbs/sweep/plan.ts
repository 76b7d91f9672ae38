/** Everything that is known before the first point: config, models, rows, dimensions, memory, how many points. */
import type { DecoderSpec } from '../../checkpoint/model_config'
import { checkConfig, keyError, readGiven } from '../../config/parse'
import { type SweepConfig, sweepSchema } from '../../config/sweep'
import { throwFirst } from '../../errors'
import { type GraftInputs, type ParameterDescription, runJob } from '../../native'
import type { Alignment } from '../../text/alignment/align'
import { checkDescent } from '../grafting/descent'
import { alignModels, type GraftModels, nativeInputs, openModels } from '../grafting/inputs'
import { type Dimensions, dimensionsOf } from './dimensions'
import type { Aim } from './judge'
import { closeObjectives, type Objective, type OpenOptions, openObjectives } from './losses'
import { type SweepMemory, sweepMemory } from './memory'
import { goldenMeasurements, type Line } from './search'
import { textOfGraft } from './text'

export interface SweepPlan {
  config: SweepConfig
  models: GraftModels
  /** The graft, as native code is told of it; its scales do not count. */
  inputs: GraftInputs
  dimensions: Dimensions
  /** Of the result. */
  parameters: ParameterDescription[]
  aims: Aim[]
  objectives: Objective[]
  /** Whether the chat template writes the time: that of the first session counts. */
  asksForTime: boolean
  /** Points that the search asks for at most. */
  points: number
  /** Along each dimension. */
  line: Line
  memory: SweepMemory
}

/** Reads and checks a config: a YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readSweepConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<SweepConfig> {
  const { file, raw } = await readGiven(source, overrides)
  const config = checkConfig(sweepSchema, raw, file)
  checkVector(config, file)
  checkObjectives(config, file)
  if (config.search === 'golden_section' && config.by !== 'global') {
    throw keyError(
      file,
      'search',
      `expected grid or coordinate with by: ${config.by}, received golden_section`,
      'A golden section finds one number. coordinate makes one along each scale in turn.',
    )
  }
  const { least, most } = ends(config)
  if (config.search === 'golden_section' && least === most) {
    throw keyError(
      file,
      'scales',
      'expected two different ends for golden_section, received one scale',
      'scales: { from: 0, to: 1.2 }',
    )
  }
  return config
}

function checkVector({ base, chat, delta }: SweepConfig, file: string): void {
  const [both, neither] = [base !== undefined && chat !== undefined, base === undefined && chat === undefined]
  if (delta === undefined ? both : neither) return
  const given = Object.entries({ base, chat, delta }).flatMap(([key, value]) => (value ? [key] : []))
  throw keyError(
    file,
    'delta',
    `expected base and chat, or delta, received ${given.join(', ') || 'neither'}`,
    'The vector is chat - base of two models, or a folder that delta extract has made of them.',
  )
}

function checkObjectives({ objectives }: SweepConfig, file: string): void {
  const names = objectives.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw keyError(
      file,
      'objectives',
      `expected a name of its own for each, received ${twice} twice`,
      'Their values are told by name.',
    )
  }
  if (aimsOf({ objectives }).some(({ weight }) => weight > 0)) return
  throw keyError(
    file,
    'objectives',
    'expected one to be made small, and each has a limit or weight 0',
    'Leave the limit of one of them out, or give it a weight as well.',
  )
}

export const aimsOf = ({ objectives }: Pick<SweepConfig, 'objectives'>): Aim[] =>
  objectives.map(({ name, limit, weight = limit === undefined ? 1 : 0 }) => ({ name, weight, limit }))

/** Two models, or a folder with their difference: as a graft takes them. */
export function vectorOf({
  base,
  chat,
  delta,
}: SweepConfig): { base: string; chat: string } | { delta: string } {
  return delta === undefined ? { base: base!, chat: chat! } : { delta }
}

/** The models, opened as for a graft. Throws ERR_WRONG_BASE for a delta that the target has nothing to do with. */
export async function openSweepModels(config: SweepConfig): Promise<GraftModels> {
  const models = await openModels({ target: config.target, vectors: [{ ...vectorOf(config), scale: 1 }] })
  const { delta } = models.vectors[0]!
  if (delta) await checkDescent(models.target.folder, delta, config.force)
  return models
}

/**
 * Reads headers and data. Throws ERR_CONFIG, ERR_DATA, ERR_TEMPLATE, and what graft throws of models that do not fit
 * together. The objectives are to be closed.
 */
export async function planSweep(
  config: SweepConfig,
  models: GraftModels,
  { now, ...options }: OpenOptions & { now: Date },
): Promise<SweepPlan> {
  const alignment = await alignModels(models)
  const inputs = await nativeInputs(models, { residual: false }, alignment)
  const spec = await resultSpec(models, inputs, alignment)
  const parameters = await runJob('describeModel', { spec })
  const dimensions = dimensionsOf(config, parameters)
  const line = lineOf(config)
  const points = countPoints(config, dimensions.names.length, line)
  const memory = await memoryOf(config, models, spec, parameters)
  const { template, ...text } = await textOfGraft(models, alignment)
  const stopped = template?.stopped(now)
  const objectives = await openObjectives(config, { ...text, template: stopped }, options)
  return {
    ...{ config, models, inputs, dimensions, parameters, objectives, points, line, memory },
    asksForTime: (stopped?.times.length ?? 0) > 0,
    aims: aimsOf(config),
  }
}

export const closePlan = ({ objectives }: SweepPlan) => closeObjectives(objectives)

/** Of the model that a graft makes: tokens may have come, and a head of its own. Throws the graft's first problem. */
async function resultSpec(
  { target: { spec } }: GraftModels,
  inputs: GraftInputs,
  { num_rows }: Alignment,
): Promise<DecoderSpec> {
  const { problems, unties_head } = await runJob('planGraft', inputs)
  throwFirst(problems)
  return {
    ...spec,
    vocab_size: num_rows,
    tie_word_embeddings: spec.tie_word_embeddings && !unties_head,
  }
}

async function memoryOf(
  config: SweepConfig,
  { target }: GraftModels,
  spec: DecoderSpec,
  parameters: readonly ParameterDescription[],
): Promise<SweepMemory> {
  const { total_bytes } = await runJob('inspectWeights', { folder: target.folder.path, scan: false })
  const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
  const count = parameters.reduce((sum, { shape }) => sum + size(shape), 0)
  return sweepMemory({ config, spec, parameters: count, stored_bytes: total_bytes })
}

const ends = ({ scales }: SweepConfig) =>
  Array.isArray(scales)
    ? { least: Math.min(...scales), most: Math.max(...scales) }
    : { least: scales.from, most: scales.to }

/** The values of a list or of an even division. */
export function valuesOf({ scales }: Pick<SweepConfig, 'scales'>): number[] {
  if (Array.isArray(scales)) return [...new Set(scales)]
  const { from, to, steps } = scales
  return Array.from({ length: steps }, (_, i) => round(from + ((to - from) * i) / (steps - 1)))
}

// 0.30000000000000004 is 0.3 to whoever reads it.
const round = (value: number) => Number(value.toPrecision(12))

function lineOf(config: SweepConfig): Line {
  const { search, scales, tolerance } = config
  const { least: from, most: to } = ends(config)
  if (search === 'golden_section' || (search === 'coordinate' && !Array.isArray(scales)))
    return { from, to, tolerance }
  return { values: valuesOf(config) }
}

function countPoints(config: SweepConfig, dimensions: number, line: Line): number {
  const along =
    'values' in line ? line.values.length : goldenMeasurements(line.to - line.from, line.tolerance)
  const counts = {
    grid: along ** dimensions,
    golden_section: along,
    coordinate: 1 + config.rounds * dimensions * along,
  }
  const count = counts[config.search]
  if (count <= config.max_points) return count
  throw keyError(
    'config',
    'max_points',
    `expected at most ${config.max_points} points, and the search could need ${count}`,
    'Try fewer scales, search: coordinate, or raise max_points.',
  )
}
