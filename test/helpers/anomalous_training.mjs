// Runs in which an update is refused for a real reason: a model whose input row of one rare word is spoilt, and data in
// which a few documents hold that word.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scaleEmbeddingRow, writeTinyModel } from './tiny_model.mjs'
import { tinyTraining } from './tiny_training.mjs'

const RARE = 'dagger' // in no text of tinyTraining

/**
 * Writes `model/` with the row of a rare word multiplied by `factor`, and `spoilt.txt`: train.txt with the word in the
 * documents `places`. Returns a config for `train` without `out`, whose runs meet the word.
 */
export async function anomalousTraining(folder, { factor = Number.NaN, places = [100], steps = 24 } = {}) {
  const { init: _, ...config } = await tinyTraining(folder, { steps })
  const model = await writeTinyModel(join(folder, 'model'), { width: 32 })
  await scaleEmbeddingRow(model, RARE, factor)
  const documents = readFileSync(join(folder, 'train.txt'), 'utf8').split('\n\n')
  for (const place of places) documents[place] = documents[place].replace(/^\S+ \S+/, `$& ${RARE}`)
  writeFileSync(join(folder, 'spoilt.txt'), documents.join('\n\n'))
  return {
    ...config,
    model,
    tokenizer: undefined,
    data: [{ path: join(folder, 'spoilt.txt') }],
    accumulation: 1,
    eval: { every: 8, data: config.eval.data },
    checkpoint: { every: 4, keep: 1 },
  }
}
