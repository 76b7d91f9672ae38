/** A model that is only measured: data read and losses told as training does it. */
import type { DataSource } from '../../config/data'
import { trainSchema } from '../../config/train'
import { type Handle, runJob } from '../../native'
import type { ModelText } from '../../text/model_text'
import { epochBatches, nativeRows, type RowSource } from '../../text/packing'
import { type LoadOptions, loadData, type TrainingData } from './data'
import type { DataConfig } from './data_rows'
import type { Measured } from './held_out'

/** Opens sources as an objective of training reads them. Throws ERR_DATA, ERR_TEMPLATE. */
export function openRows(
  sources: readonly DataSource[],
  config: Omit<DataConfig, 'inscp' | 'dpo' | 'masked'>,
  text: ModelText,
  options: LoadOptions,
): Promise<TrainingData> {
  const { inscp, dpo, masked } = trainSchema.shape
  return loadData(
    sources,
    { inscp: inscp.parse(undefined), dpo: dpo.parse(undefined), masked: masked.parse(undefined), ...config },
    text,
    options,
  )
}

/** What a model says its loss on rows with, of the next token or of hidden ones. `batch_size`: rows at a time. */
export function measuredModel(
  model: Handle,
  {
    batch_size,
    threads,
    loss: kind = 'language',
  }: { batch_size: number; threads: number; loss?: 'language' | 'masked' },
): Measured {
  const loss = { kind }
  return {
    async *lossSums(source: RowSource, _data: TrainingData, signal: AbortSignal) {
      for await (const batch of epochBatches(source, batch_size)) {
        const options = { model, loss, batch: nativeRows(batch), threads }
        yield { ...(await runJob('modelLoss', options, { signal })), rows: batch.rows }
      }
    },
  }
}
