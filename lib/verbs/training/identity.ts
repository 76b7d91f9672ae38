/** What decides the numbers of a run, as one hash: of contents, whatever the files are called and wherever they lie. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type AdapterFolder } from '../../checkpoint/adapter_folder'
import type { ModelFolder } from '../../checkpoint/model_folder'
import { type FileRecord, type InputRecord, recordInput } from '../../checkpoint/provenance'
import type { DataSource, ReplaySource } from '../../config/data'
import { optimizerChoice } from '../../config/optimizer'
import type { TrainConfig } from '../../config/train'
import { realpath } from '../../files'
import { runJob } from '../../native'
import { hashFile } from '../../text/cache/file_hash'
import { dataCacheFolder } from '../../text/cache/place'
import { resolveSource } from '../../text/documents'
import { isSelective } from './selection'
import { recordSoundKeys, recordSounds } from './sound_identity'

export interface Identity {
  /** Equal for two runs that end with the same bytes on one machine and build. */
  sha256: string
  /** The files behind it, for provenance.json. */
  inputs: InputRecord[]
}

export interface RunInputs {
  /** Where the weights start from; undefined: from random ones. */
  model: ModelFolder | undefined
  /** Whose tokenizer, template and generation files are used. */
  files: ModelFolder
  /** Where adapters start from. */
  adapter: AdapterFolder | undefined
  /** Preferences: what the model is compared with, unless that is itself. */
  reference: ModelFolder | undefined
  /** Distillation: what it learns from. */
  teacher: ModelFolder | undefined
}

/** Reads every input once. Throws ERR_NOT_FOUND, ERR_DATA or ERR_IO for what cannot be read. */
export async function identify(
  config: TrainConfig,
  { model, files, adapter, reference, teacher }: RunInputs,
  signal: AbortSignal,
): Promise<Identity> {
  const inputs: InputRecord[] = []
  const record = async (role: string, path: string, names: readonly string[]): Promise<Content> => {
    const input = await recordInput(role, path, names, signal)
    inputs.push(input)
    return contentOf(input.files)
  }
  const cache = dataCacheFolder(config.data_cache)
  const { sound } = config
  const dataOf = async (role: string, sources: readonly (DataSource | ReplaySource)[]) => {
    const data = sound
      ? await recordSounds(role, sources as readonly DataSource[], { cache, signal })
      : await recordSources(role, sources, { cache, signal })
    inputs.push(...data.inputs)
    return data.content
  }
  const soundOf = async () => {
    const keys = await recordSoundKeys(sound, signal)
    inputs.push(...keys.inputs)
    return keys.content
  }
  const content = {
    ...decisiveKeys(config),
    model: model && (await record('model', model.path, await filesOfModel(model))),
    adapter: adapter && (await record('adapter', adapter.path, [ADAPTER_CONFIG, ADAPTER_WEIGHTS])),
    dpo: {
      ...config.dpo,
      reference: reference && (await record('reference', reference.path, await filesOfModel(reference))),
    },
    teacher: teacher && (await record('teacher', teacher.path, await filesOfModel(teacher))),
    sound: await soundOf(),
    tokenizer: files !== model && (await record('tokenizer', files.path, smallFiles(files))),
    data: await dataOf('data', config.data),
    replay: config.replay && (await dataOf('replay', config.replay)),
    eval: isSelective(config) && {
      ...config.eval,
      samples: undefined,
      data: await dataOf('eval', config.eval!.data),
    },
  }
  return { sha256: createHash('sha256').update(canonicalJson(content)).digest('hex'), inputs }
}

/** What sources hold, for a hash, and their files, for provenance.json. Throws ERR_NOT_FOUND, ERR_DATA, ERR_IO. */
export async function recordSources(
  role: string,
  sources: readonly (DataSource | ReplaySource)[],
  { cache, signal }: { cache: string; signal: AbortSignal },
): Promise<{ content: object[]; inputs: InputRecord[] }> {
  const content = []
  const inputs: InputRecord[] = []
  for (const source of sources) {
    const found = []
    for (const { path, ...how } of (await resolveSource(source)).files) {
      const { sha256, stamp } = await hashFile(path, cache, signal)
      const file = { name: resolve(path), real_path: await realpath(path), bytes: stamp.size, sha256 }
      inputs.push({ role, path: file.name, files: [file] })
      found.push({ ...how, sha256 })
    }
    content.push({
      ...('weight' in source ? { weight: source.weight } : { share: source.share }),
      files: found,
    })
  }
  return { content, inputs }
}

/** The files of a model that decide what it says, by content. */
export async function recordWhole(
  role: string,
  model: ModelFolder,
  signal: AbortSignal,
): Promise<{ content: Record<string, string>; input: InputRecord }> {
  const input = await recordInput(role, model.path, await filesOfModel(model), signal)
  return { content: contentOf(input.files), input }
}

// Not among them: where the result goes, how often it is saved, what is only looked at, what is kept in memory, what is
// done about an anomaly, so that a run that one has stopped can go on otherwise, and threads, device and
// processes, which may change the last bits.
export function decisiveKeys(config: TrainConfig) {
  const {
    out: _out,
    data_cache: _cache,
    checkpoint: _checkpoint,
    threads: _threads,
    device: _device,
    deterministic: _deterministic,
    graph: _graph,
    activation_checkpointing: _activations,
    eval: _eval,
    tensorboard: _tensorboard,
    anomaly: _anomaly,
    distributed: _distributed,
    inscp: { perplexity_sample: _sample, ...inscp },
    ...decisive
  } = config
  const device = 'cpu' // as all runs had it when there was no other
  return { ...decisive, device, inscp, optimizer: optimizerChoice(config.optimizer) }
}

type Content = Record<string, string>

const contentOf = (files: readonly FileRecord[]): Content =>
  files.length === 1
    ? { sha256: files[0]!.sha256 } // a file by any name
    : Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256]))

async function filesOfModel(model: ModelFolder): Promise<string[]> {
  const { files } = await runJob('inspectWeights', { folder: model.path, scan: false })
  return [...files.map(({ name }) => name), ...smallFiles(model)]
}

// All that can decide how text becomes ids; a model card cannot.
const smallFiles = ({ auxiliaryFiles }: ModelFolder) =>
  auxiliaryFiles.filter((name) => /\.(json|jinja|model|txt)$/.test(name))

/** JSON with the keys of every object in order: equal for equal content. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
