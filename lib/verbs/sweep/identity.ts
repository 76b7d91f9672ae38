/** What decides the value of a point, as one hash: points of an earlier session count where it is the same. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { ObjectiveConfig, SweepConfig } from '../../config/sweep'
import type { TongueforgeError } from '../../errors'
import { runJob } from '../../native'
import { hashFile } from '../../text/cache/file_hash'
import { dataCacheFolder } from '../../text/cache/place'
import { resolveSource } from '../../text/documents'
import { allModels, type GraftModels } from '../grafting/inputs'
import { canonicalJson } from '../training/identity'

/** Contents, not places; neither which points are asked for nor how they are judged. Each file is hashed once. */
export async function inputsHash(
  config: SweepConfig,
  graftModels: GraftModels,
  signal: AbortSignal,
): Promise<string> {
  const hashes = hasher(dataCacheFolder(config.data_cache), signal)
  const models = []
  for (const { folder } of allModels(graftModels)) models.push(await hashes(await filesOf(folder, signal)))
  const { delta } = graftModels.vectors[0]!
  if (delta) models.push(await hashes([delta.file]))
  const objectives = []
  for (const objective of config.objectives) objectives.push(await dataOf(objective, hashes))
  const { by, groups, sequence_length, batch_size, dtype, seed } = config
  const grouped = by === 'layer_group' ? { groups } : {}
  const content = { by, ...grouped, sequence_length, batch_size, dtype, seed, models, objectives }
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}

type Hashes = (files: readonly string[]) => Promise<string[]>

const hasher =
  (cache: string, signal: AbortSignal): Hashes =>
  async (files) => {
    const all: string[] = []
    for (const file of files) all.push((await hashFile(file, cache, signal)).sha256)
    return all
  }

// Weights, which the models of a delta do not have, and all small files that can decide how text becomes ids.
async function filesOf(folder: ModelFolder, signal: AbortSignal): Promise<string[]> {
  const weights = await runJob('inspectWeights', { folder: folder.path, scan: false }, { signal }).then(
    ({ files }) => files.map(({ name }) => name),
    (error: TongueforgeError) => {
      if (error.code === 'ERR_NOT_FOUND') return []
      throw error
    },
  )
  const texts = folder.auxiliaryFiles.filter((name) => /\.(json|jinja|model|txt)$/.test(name))
  return [...weights, ...texts].map((name) => join(folder.path, name))
}

async function dataOf({ name, loss, data }: ObjectiveConfig, hashes: Hashes): Promise<object> {
  const sources = []
  for (const { path, ...how } of data) {
    const { files } = await resolveSource({ path, ...how })
    sources.push({ ...how, files: await hashes(files.map((file) => file.path)) })
  }
  return { name, loss, sources }
}
