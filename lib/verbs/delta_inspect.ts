/** What a folder with a delta holds. */
import { openDelta } from '../checkpoint/delta_folder'
import { pathOption } from '../config/call_options'
import type { DeltaTensorFigures } from '../native'

/** What a delta holds, by tensor. */
export interface DeltaInspection {
  /** dense, topk, lowrank, int8 or int4. */
  format: string
  /** `model_type` of the models that it is the difference of. */
  architecture: string
  /** Of the format, and what else the file says of itself. */
  metadata: Record<string, string>
  /** Values of all tensors. */
  elements: number
  /** Of the file. */
  bytes: number
  /** The same values as float32. */
  dense_bytes: number
  /** dense_bytes / bytes. */
  ratio: number
  /** Euclidean norms of the difference, of what the format loses of it, and of the base; absent without report.json. */
  delta_l2?: number
  error_l2?: number
  base_l2?: number
  /** error_l2 / delta_l2. */
  relative_error?: number
  /** The same for each tensor. */
  tensors: (Partial<DeltaTensorFigures> & Pick<DeltaTensorFigures, 'name' | 'shape' | 'format' | 'bytes'>)[]
}

/** Describes a folder that `extractDelta` wrote. Throws ERR_NOT_FOUND, ERR_DELTA, ERR_SAFETENSORS. */
export async function inspectDelta(folder: string): Promise<DeltaInspection> {
  pathOption('inspectDelta: folder', folder)
  const { description, metadata, chat, figures } = await openDelta(folder)
  const { codec, format: _, ...rest } = metadata
  const measured = new Map(figures?.tensors.map((tensor) => [tensor.name, tensor]))
  const elements = description.tensors.reduce((sum, tensor) => sum + tensor.elements, 0)
  return {
    format: codec,
    architecture: String(chat.config.model_type),
    metadata: rest as unknown as Record<string, string>,
    elements,
    bytes: description.file_bytes,
    dense_bytes: 4 * elements,
    ratio: (4 * elements) / description.file_bytes,
    ...(figures && {
      delta_l2: figures.delta_l2,
      error_l2: figures.error_l2,
      base_l2: figures.base_l2,
      relative_error: figures.relative_error,
    }),
    tensors: description.tensors.map((tensor) => ({ ...measured.get(tensor.name), ...tensor })),
  }
}
