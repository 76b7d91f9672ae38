/** Everything that is known before the first sample is read: the config, utterances by their heads, what is drawn. */
import { createHash } from 'node:crypto'
import { type AudioList, listAudio, type Utterance } from '../../audio/list'
import type { AudioSource } from '../../config/audio'
import { type ClustersConfig, clustersSchema } from '../../config/clusters'
import { checkConfig, configError, readGiven } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { stat } from '../../files'
import { Random } from '../../text/random'
import { VERSION } from '../../version'
import { canonicalJson } from '../training/identity'
import type { Features } from './features'

export interface ClustersPlan {
  /** By name, so that the order of a manifest changes nothing. Those of `data`, and those that get labels alone. */
  data: Utterance[]
  labelOnly: Utterance[]
  /** Of `data`: what centres are learnt from. */
  drawn: Utterance[]
  frames: number
  drawnFrames: number
  seconds: number
  skipped: number
  /** What a run that is gone on with must have had, beside its model. */
  identity: string
}

/** A YAML file or an object, then overrides. Throws ERR_CONFIG, ERR_NOT_FOUND, ERR_USAGE. */
export async function readClustersConfig(
  source: string | object,
  overrides: readonly string[],
): Promise<ClustersConfig> {
  const { file, raw } = await readGiven(source, overrides)
  return checkConfig(clustersSchema, raw, file)
}

interface Listening {
  signal?: AbortSignal | undefined
  onWarning?: ((message: string) => void) | undefined
}

/** Throws ERR_NOT_FOUND, ERR_AUDIO, ERR_DATA for files that cannot be used; ERR_CONFIG for too few frames. */
export async function planClusters(
  config: ClustersConfig,
  features: Features,
  { signal, onWarning }: Listening,
): Promise<ClustersPlan> {
  const of = (sources: readonly AudioSource[]) =>
    listAudio(sources, { leastSeconds: features.leastSeconds, signal, onWarning })
  const [data, rest] = [await of(config.data), await of(config.label_only ?? [])]
  const [utterances, labelOnly] = [byName(data), byName(rest)]
  checkNames([...utterances, ...labelOnly])
  const drawn = draw(utterances, config, features)
  const drawnFrames = framesOf(drawn, features)
  checkFrames(config, drawnFrames)
  return {
    ...{ data: utterances, labelOnly, drawn, drawnFrames, frames: framesOf(utterances, features) },
    seconds: data.seconds,
    skipped: data.skipped + rest.skipped,
    identity: await identityOf(config, [...utterances, ...labelOnly]),
  }
}

const byName = ({ utterances }: AudioList) => utterances.toSorted((a, b) => (a.name < b.name ? -1 : 1))

const framesOf = (utterances: readonly Utterance[], features: Features) =>
  utterances.reduce((sum, utterance) => sum + features.frames(utterance), 0)

/** Labels are kept by name. */
function checkNames(utterances: readonly Utterance[]): void {
  const paths = new Map<string, string>()
  for (const { name, path } of utterances) {
    const before = paths.get(name)
    if (before !== undefined)
      throw new TongueforgeError(
        'ERR_DATA',
        `expected a name of its own for every utterance, received ${name} twice: ${before} and ${path}`,
        {
          hint: 'Give the folder above both as one source, or name the files apart.',
          details: { name, files: [before, path] },
        },
      )
    paths.set(name, path)
  }
}

/** All utterances, or whole ones in a seeded order up to max_frames; in the order of their names. */
function draw(
  utterances: readonly Utterance[],
  { k_means, seed }: ClustersConfig,
  features: Features,
): Utterance[] {
  const chosen: number[] = []
  let frames = 0
  for (const i of new Random(seed).permutation(utterances.length)) {
    if (frames >= k_means.max_frames) break
    chosen.push(i)
    frames += features.frames(utterances[i]!)
  }
  return chosen.sort((a, b) => a - b).map((i) => utterances[i]!)
}

function checkFrames({ k_means }: ClustersConfig, frames: number): void {
  if (frames >= k_means.clusters) return
  throw configError(
    'config',
    `k_means.clusters: expected at most as many clusters as there are frames to learn from, ${frames}, received ${k_means.clusters}`,
    { hint: 'Fewer clusters, or more sound.', key: 'k_means.clusters' },
  )
}

/** Of everything that the result follows from, but the model: where that lies decides nothing, what it holds is hashed by the run. */
async function identityOf(config: ClustersConfig, utterances: readonly Utterance[]): Promise<string> {
  const { out: _, threads: __, model: ___, ...settings } = config
  const hash = createHash('sha256').update(canonicalJson({ version: VERSION, settings }))
  for (const { name, path, samples, rate } of utterances) {
    const { size, mtimeMs } = await stat(path)
    hash.update(canonicalJson([name, samples, rate, size, mtimeMs]))
  }
  return hash.digest('hex')
}
