/** What decides the value of a point, as one hash: points of an earlier session count where it is the same. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ObjectiveConfig, SweepConfig } from '../../config/sweep'
import { runJob } from '../../native'
import { hashFile } from '../../text/cache/file_hash'
import { dataCacheFolder } from '../../text/cache/place'
import { resolveSource } from '../../text/documents'
import { allModels, type Described, type GraftModels } from '../grafting/inputs'
import { canonicalJson } from '../training/identity'

/** Contents, not places; neither which points are asked for nor how they are judged. Each file is hashed once. */
export async function inputsHash(
  config: SweepConfig,
  graftModels: GraftModels,
  signal: AbortSignal,
): Promise<string> {
  const hashes = hasher(dataCacheFolder(config.data_cache), signal)
  const models = []
  for (const model of allModels(graftModels)) models.push(await hashes(await filesOf(model, signal)))
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

// Weights, and all small files that can decide how text becomes ids.
async function filesOf({ folder }: Described, signal: AbortSignal): Promise<string[]> {
  const { files } = await runJob('inspectWeights', { folder: folder.path, scan: false }, { signal })
  const texts = folder.auxiliaryFiles.filter((name) => /\.(json|jinja|model|txt)$/.test(name))
  return [...files.map(({ name }) => name), ...texts].map((name) => join(folder.path, name))
}

async function dataOf({ name, loss, data }: ObjectiveConfig, hashes: Hashes): Promise<object> {
  const sources = []
  for (const { path, ...how } of data) {
    const { files } = await resolveSource({ path, ...how })
    sources.push({ ...how, files: await hashes(files.map((file) => file.path)) })
  }
  return { name, loss, sources }
}
