/** The rows that a model gets, planned from the headers of its weights. */
import type { DecoderSpec } from '../../checkpoint/model_config'
import { throwFirst } from '../../errors'
import { type RowExtensionInputs, type RowExtensionPlan, runJob } from '../../native'

export interface WantedRows {
  /** Model folder. */
  model: string
  spec: DecoderSpec
  first: number
  pieces: readonly Int32Array[]
  /** The number of rows is a multiple of this. */
  multiple?: number | undefined
}

export interface RowPlan extends Pick<RowExtensionPlan, 'bytes_to_read' | 'bytes_to_write'> {
  inputs: RowExtensionInputs
}

/**
 * Rows behind the tokenizer's, which some models have to spare, are used first; the embedding grows where they do not
 * suffice. Throws ERR_MISSING_TENSOR, ERR_SHAPE_MISMATCH, ERR_DTYPE and what opening weights throws.
 */
export async function planRows({ model, spec, first, pieces, multiple = 1 }: WantedRows): Promise<RowPlan> {
  const needed = Math.max(spec.vocab_size, first + pieces.length)
  const num_rows = Math.ceil(needed / multiple) * multiple
  const inputs = { model, first, pieces, num_rows, tied: spec.tie_word_embeddings }
  const { problems, ...bytes } = await runJob('planRowExtension', inputs)
  throwFirst(problems)
  return { inputs, ...bytes }
}
