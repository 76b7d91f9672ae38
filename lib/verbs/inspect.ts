/** What a model folder holds. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../checkpoint/json_file'
import { decoderSpec } from '../checkpoint/model_config'
import { openModelFolder } from '../checkpoint/model_folder'
import type { Provenance } from '../checkpoint/provenance'
import { type ByteProgress, runJob, type TensorDescription, type ValueCounts } from '../native'

export interface InspectOptions {
  /** Also report NaN, infinities and zeros of every tensor. */
  scan?: boolean | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

export interface Inspection {
  /** `model_type` of config.json. */
  architecture: string
  parameters: { total: number; nonzero: number }
  /** Of all weights, without headers. */
  bytes: number
  /** The one that most parameters have, "BF16". */
  dtype: string
  vocab_size: number
  tensors: TensorDescription[]
  /** With `scan`, by tensor. */
  scan?: ValueCounts[]
  /** How the model was made, where it was made by tongueforge. */
  provenance?: Provenance
}

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1)

/** Reads config, headers and, to count the zeros, the weights of a model folder or run folder. */
export async function inspect(
  folder: string,
  { scan = false, signal, onProgress }: InspectOptions = {},
): Promise<Inspection> {
  const model = await openModelFolder(folder)
  const spec = decoderSpec(model.config, model.configFile)
  const weights = await runJob('inspectWeights', { folder: model.path, scan: true }, { signal, onProgress })
  const total = weights.tensors.reduce((sum, { shape }) => sum + count(shape), 0)
  const zeros = (weights.scan ?? []).reduce((sum, { zero }) => sum + zero, 0)
  const provenance = await readJsonObjectIfPresent(join(model.path, 'provenance.json'), { code: 'ERR_DATA' })
  return {
    architecture: spec.architecture,
    parameters: { total, nonzero: total - zeros },
    bytes: weights.total_bytes,
    dtype: commonDtype(weights.tensors),
    vocab_size: spec.vocab_size,
    tensors: weights.tensors,
    ...(scan && { scan: weights.scan ?? [] }),
    ...(provenance !== undefined && { provenance: provenance as unknown as Provenance }),
  }
}

function commonDtype(tensors: readonly TensorDescription[]): string {
  const parameters = new Map<string, number>()
  for (const { dtype, shape } of tensors) parameters.set(dtype, (parameters.get(dtype) ?? 0) + count(shape))
  return [...parameters].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'none'
}
