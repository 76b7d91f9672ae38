/** The model between two stages: a folder on disk, and in memory while stages need it there. */
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import { type ModelSpec, modelSpec } from '../../checkpoint/model_spec'
import { MAX_SHARD_BYTES } from '../../checkpoint/write_folder'
import { type Handle, native, runJob } from '../../native'
import { warnOfUnread } from '../unread_tensors'

/** How models are loaded and saved. */
export interface Means {
  dtype: 'float32' | 'bfloat16'
  threads: number
}

export class ModelAtHand {
  #handle: Handle | undefined

  private constructor(
    readonly folder: ModelFolder,
    readonly spec: ModelSpec,
    private readonly means: Means,
    handle?: Handle,
  ) {
    this.#handle = handle
  }

  /** Reads the small files. Throws what openModelFolder throws. */
  static async open(path: string, means: Means): Promise<ModelAtHand> {
    return ModelAtHand.of(await openModelFolder(path), means)
  }

  static of(folder: ModelFolder, means: Means): ModelAtHand {
    return new ModelAtHand(folder, specOf(folder), means)
  }

  /** In memory; loaded unless it is there, with a warning of what is not read. */
  async loaded({ signal, warn }: { signal: AbortSignal; warn: (message: string) => void }): Promise<Handle> {
    const { folder, spec, means } = this
    const onItem = warnOfUnread(folder.path, warn)
    this.#handle ??= await runJob('loadModel', { folder: folder.path, spec, ...means }, { signal, onItem })
    return this.#handle
  }

  /** Writes what is in memory, weights alone, into an existing folder. */
  async saveWeights(folder: string): Promise<void> {
    const { dtype } = this.means
    const model = this.#handle!
    await runJob('saveModel', { model, folder, dtype, max_shard_bytes: MAX_SHARD_BYTES })
  }

  /** What was in memory is now this folder's model: the stage has changed it, and written it there. */
  async moved(path: string): Promise<ModelAtHand> {
    const folder = await openModelFolder(path)
    const handle = this.#handle
    this.#handle = undefined
    return new ModelAtHand(folder, specOf(folder), this.means, handle)
  }

  /** Frees the memory; the folder stays. */
  release(): void {
    if (this.#handle !== undefined) native().dispose(this.#handle)
    this.#handle = undefined
  }
}

const specOf = ({ config, configFile }: ModelFolder): ModelSpec =>
  modelSpec(config, configFile, { quantized: true })
