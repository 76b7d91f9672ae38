/** What both kinds of conversion plan, and what is then done with it. */
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { InputRecord } from '../../checkpoint/provenance'
import type { ConvertedTensor, TorchTensor } from '../../native'

/** A tensor that will be written. */
export interface PlannedTensor extends ConvertedTensor, Pick<TorchTensor, 'shape' | 'bytes'> {}

/** What a report says of it beside the tensors. */
export interface ConversionFacts {
  kind: 'transformers' | 'melhubert'
  /** Of config.json; with its prefix where blocks are of several sizes. */
  architecture: string
  /** Tensors that are not written, because they are another one: what each of them is. */
  shared: Record<string, string>
  /** What else the file holds: keys, and modules of objects that are not read. */
  left_out: string[]
  /** Weights that were multiplied by their masks. */
  masked?: number
  /** Heads that pruning had removed, by layer, as the unpruned model counts them. */
  removed_heads?: Record<string, number[]>
}

export interface Conversion {
  facts: ConversionFacts
  tensors: PlannedTensor[]
  /** config.json of the result. */
  config: Record<string, unknown>
  /** The folder that small files are taken over from, where there is one. */
  carried?: ModelFolder
  /** Further files of the result, as JSON. */
  files: Record<string, unknown>
  record: (signal: AbortSignal | undefined) => Promise<InputRecord[]>
}
