/** Everything that is known before the first point: config, models, rows, dimensions, memory, how many points. */
import { applyOverrides, checkConfig, readYaml } from '../../config/parse'
import { type SweepConfig, sweepSchema } from '../../config/sweep'
import { TongueforgeError } from '../../errors'
import { type ParameterDescription, runJob } from '../../native'
import { mannersOf } from '../../text/alignment/manners'
import { loadModelText, type ModelText } from '../../text/model_text'
import { alignModels, type GraftModels, openModels } from '../grafting/inputs'
import { type Dimensions, dimensionsOf } from './dimensions'
import type { Aim } from './judge'
import { closeObjectives, type Objective, type OpenOptions, openObjectives } from './losses'
import { type SweepMemory, sweepMemory } from './memory'
import { goldenMeasurements, type Line } from './search'

export interface SweepPlan {
  config: SweepConfig
  models: GraftModels
  dimensions: Dimensions
  /** Of the target. */
  parameters: ParameterDescription[]
  aims: Aim[]
  objectives: Objective[]
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
  const file = typeof source === 'string' ? source : 'config'
  const raw = typeof source === 'string' ? await readYaml(source) : source
  const config = checkConfig(sweepSchema, applyOverrides(raw, overrides), file)
  checkObjectives(config, file)
  if (config.search === 'golden_section' && config.by !== 'global') {
    throw problem(
      file,
      'search',
      `expected grid or coordinate with by: ${config.by}, received golden_section`,
      {
        hint: 'A golden section finds one number. coordinate makes one along each scale in turn.',
      },
    )
  }
  const { least, most } = ends(config)
  if (config.search === 'golden_section' && least === most) {
    throw problem(file, 'scales', 'expected two different ends for golden_section, received one scale', {
      hint: 'scales: { from: 0, to: 1.2 }',
    })
  }
  return config
}

function checkObjectives({ objectives }: SweepConfig, file: string): void {
  const names = objectives.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    throw problem(file, 'objectives', `expected a name of its own for each, received ${twice} twice`, {
      hint: 'Their values are told by name.',
    })
  }
  if (aimsOf({ objectives }).some(({ weight }) => weight > 0)) return
  throw problem(file, 'objectives', 'expected one to be made small, and each has a limit or weight 0', {
    hint: 'Leave the limit of one of them out, or give it a weight as well.',
  })
}

function problem(file: string, key: string, message: string, { hint }: { hint: string }): TongueforgeError {
  return new TongueforgeError('ERR_CONFIG', `${file}: ${key}: ${message}`, { hint, details: { file, key } })
}

export const aimsOf = ({ objectives }: Pick<SweepConfig, 'objectives'>): Aim[] =>
  objectives.map(({ name, limit, weight = limit === undefined ? 1 : 0 }) => ({ name, weight, limit }))

/** The models, opened as for a graft. */
export function openSweepModels({ target, base, chat }: SweepConfig): Promise<GraftModels> {
  return openModels({ target, vectors: [{ base, chat, scale: 1 }], residual: false })
}

/** Reads headers and data. Throws ERR_CONFIG, ERR_DATA, ERR_TEMPLATE. The objectives are to be closed. */
export async function planSweep(
  config: SweepConfig,
  models: GraftModels,
  options: OpenOptions,
): Promise<SweepPlan> {
  const { spec, folder } = models.target
  const parameters = await runJob('describeModel', { spec })
  const dimensions = dimensionsOf(config, parameters)
  const line = lineOf(config)
  const points = countPoints(config, dimensions.names.length, line)
  const { total_bytes } = await runJob('inspectWeights', { folder: folder.path, scan: false }, options)
  const size = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)
  const memory = sweepMemory({
    config,
    spec,
    parameters: parameters.reduce((sum, { shape }) => sum + size(shape), 0),
    stored_bytes: total_bytes,
  })
  const objectives = await openObjectives(config, await textOf(models), options)
  return { config, models, dimensions, parameters, aims: aimsOf(config), objectives, points, line, memory }
}

export const closePlan = ({ objectives }: SweepPlan) => closeObjectives(objectives)

/** Tokenizer and template as the folder of a graft has them: those of the target, with the manners of the chat model. */
async function textOf(models: GraftModels): Promise<ModelText> {
  const { folder } = models.target
  const chat = models.vectors[0]!.chat.folder
  const alignment = await alignModels(models)
  const added = Object.keys(alignment.report.added_tokens)
  if (added.length > 0) throw controlTokensMissing(models, added)
  const { specialTokens } = await mannersOf(chat, alignment)
  const own = folder.tokenizer
  const chatTemplate = chat.tokenizer.chatTemplate ?? own.chatTemplate
  const tokenizer = { ...own, chatTemplate, specialTokens: { ...own.specialTokens, ...specialTokens } }
  return loadModelText({ ...folder, tokenizer })
}

// A graft to files adds them, unscaled; at scale 0 it does nothing else.
function controlTokensMissing({ target, vectors }: GraftModels, added: readonly string[]): TongueforgeError {
  const { base, chat } = vectors[0]!
  const paths = [target, base, chat].map(({ folder }) => folder.path)
  return new TongueforgeError(
    'ERR_VOCABULARY',
    `${paths[0]}: expected a target that has the control tokens of the chat model, and it lacks ${added.join(', ')}`,
    {
      hint:
        `Give it those first, and sweep that: npx tongueforge graft --target ${paths[0]} --base ${paths[1]} ` +
        `--chat ${paths[2]} --scale 0 --out TARGET_WITH_TOKENS`,
      details: { path: paths[0], tokens: added },
    },
  )
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
  throw problem(
    'config',
    'max_points',
    `expected at most ${config.max_points} points, and the search could need ${count}`,
    {
      hint: 'Try fewer scales, search: coordinate, or raise max_points.',
    },
  )
}
