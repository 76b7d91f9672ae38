/** What a model folder holds, and what a pass through the model costs: load -> count -> report. */
import { join } from 'node:path'
import type { Dtype } from '../checkpoint/config_checks'
import { readJsonObjectIfPresent } from '../checkpoint/json_file'
import { hasWeights, openModelFolder } from '../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../checkpoint/model_spec'
import type { Provenance } from '../checkpoint/provenance'
import { checkOptions, type Kinds, LISTENERS, pathOption } from '../config/call_options'
import { type ParameterParts, parameterParts, storedBytes } from '../counting/parameters'
import { modelSize } from '../counting/registry'
import { type ByteProgress, runJob, type TensorDescription, type ValueCounts } from '../native'
import { bySizeName, heldWeights, numbersIn } from './inspecting/held_weights'
import { countedMacs, type MacCounts, macRow } from './inspecting/macs'
import { samplingRate } from './sampling_rate'

export type { MacCounts } from './inspecting/macs'

/** What to look at beside the headers, which cost nothing. */
export interface InspectOptions {
  /** Also report NaN, infinities and zeros of every tensor. */
  scan?: boolean | undefined
  /** Also count the multiplications of a pass over `tokens` or `seconds`; then config.json alone is enough. */
  macs?: boolean | undefined
  /** Of a text; of a speech encoder: places, as its blocks see them. */
  tokens?: number | undefined
  /** Of sound. */
  seconds?: number | undefined
  /** Stops it, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  /** Hears how far it is. */
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

const OPTIONS: Kinds<InspectOptions> = {
  ...LISTENERS,
  scan: 'flag',
  macs: 'flag',
  tokens: 'any',
  seconds: 'any',
}

/** What a model folder holds: parameters, bytes, tensors, and what was asked for beside them. */
export interface Inspection {
  /** `model_type` of config.json. */
  architecture: string
  /** `nonzero` is null where there are no weights to look at. */
  parameters: { total: number; nonzero: number | null }
  /** Of config.json: what the parameters are for. */
  parts: ParameterParts
  /** Of all weights, without headers. */
  bytes: number
  /** The one that most parameters have, "BF16". */
  dtype: string
  /** Of a speech encoder: clusters that it foretells, 0 where it foretells none. */
  vocab_size: number
  /** From `config`: there are no weights, and the figures are what config.json implies. */
  counted_from: 'weights' | 'config'
  macs?: MacCounts
  /** As the weight files name them. */
  tensors: TensorDescription[]
  /** With `scan`, by tensor. */
  scan?: ValueCounts[]
  /** How the model was made, where it was made by tongueforge. */
  provenance?: Provenance
}

/**
 * Reads config, headers and, to count the zeros, the weights of a model folder or run folder. With `macs` a folder
 * without weights will do. Throws ERR_USAGE for `macs` without a length.
 */
export async function inspect(folder: string, options: InspectOptions = {}): Promise<Inspection> {
  checkOptions('inspect', options, OPTIONS)
  pathOption('inspect: folder', folder)
  const { scan = false } = options
  const model = await openModelFolder(folder)
  const spec = modelSpec(model.config, model.configFile, { quantized: true })
  const size = modelSize(spec)
  const row = macRow(options, spec, await samplingRate(model.path, spec))
  const held =
    row === undefined || (await hasWeights(model.path))
      ? await heldWeights(model.path, spec, options)
      : await heldByConfig(spec)
  const provenance = await readJsonObjectIfPresent(join(model.path, 'provenance.json'), { code: 'ERR_DATA' })
  const { total, zeros } = numbersIn(held, spec)
  const scanned = held.scan && bySizeName(held.scan, spec)
  return {
    architecture: spec.architecture,
    parameters: { total, nonzero: zeros === undefined ? null : total - zeros },
    parts: parameterParts(size),
    bytes: held.bytes,
    dtype: commonDtype(held.tensors),
    vocab_size: spec.vocab_size,
    counted_from: held.scan ? 'weights' : 'config',
    ...(row !== undefined && { macs: countedMacs(size, row, scanned) }),
    tensors: held.tensors,
    ...(scan && { scan: held.scan ?? [] }),
    ...(provenance !== undefined && { provenance: provenance as unknown as Provenance }),
  }
}

interface Held {
  tensors: TensorDescription[]
  bytes: number
  /** Where there are values. */
  scan?: ValueCounts[]
}

const ON_DISK: Record<Dtype, string> = { float32: 'F32', bfloat16: 'BF16', float16: 'F16' }

/** As transformers would save it: float32 where config.json names no dtype. */
async function heldByConfig(spec: ModelSpec): Promise<Held> {
  const dtype = spec.dtype ?? 'float32'
  const described = await runJob('describeModel', { spec })
  return {
    tensors: described.map(({ name, shape }) => ({ name, dtype: ON_DISK[dtype], shape })),
    bytes: storedBytes(modelSize(spec), dtype),
  }
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

function commonDtype(tensors: readonly TensorDescription[]): string {
  const parameters = new Map<string, number>()
  for (const { dtype, shape } of tensors) parameters.set(dtype, (parameters.get(dtype) ?? 0) + count(shape))
  return [...parameters].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'none'
}
