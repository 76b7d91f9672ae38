/** A speech encoder in memory: it gives hidden states. Many calls may run on it at once. */
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { type SpeechSpec, speechSpec } from '../checkpoint/speech_config'
import { TongueforgeError } from '../errors'
import type { CountProgress, JobCallbacks, SparseLayer } from '../native'
import { HeldHandle } from './held_handle'
import { type LoadedEncoder, loadedEncoder } from './loaded_encoder'
import type { LoadOptions } from './model'

/** A layer by its number: 0 is what goes into the first block, n what the n-th gives; `last`: what the model gives. */
export type SpeechLayer = number | 'last'

export interface HiddenStatesOptions extends JobCallbacks<CountProgress> {
  /** Default: all of them, from 0. `last` is the last of them, where no norm stands behind the blocks. */
  layers?: readonly SpeechLayer[] | undefined
  /** Of each sound, 1 where a place is not heard, as training hides it; default: all are heard. */
  hidden?: readonly Int32Array[] | undefined
}

/** Of one sound. */
export interface SoundStates {
  /** Points in time: T. */
  places: number
  /** For each layer that was asked for: T x hidden_size numbers, place after place. */
  states: Float32Array[]
}

/** Loads the folder of a speech encoder, or the result of a run folder. */
export async function loadSpeechEncoder(folder: string, options: LoadOptions = {}): Promise<SpeechEncoder> {
  const files = await openModelFolder(folder)
  const spec = speechSpec(files.config, files.configFile)
  return new SpeechEncoder(files, spec, await loadedEncoder(files.path, spec, options))
}

export class SpeechEncoder {
  readonly #model: HeldHandle
  private readonly threads: number
  /** Tensors of the folder that belong to a head which we do not have, and are not read. */
  readonly unread: readonly string[]
  /** With sparse: auto, the layers that were timed and how they are multiplied. */
  readonly sparse: readonly SparseLayer[] | undefined

  /** Made by loadModel. */
  constructor(
    /** The folder's small files. */
    readonly files: ModelFolder,
    readonly spec: SpeechSpec,
    { handle, threads, unread, timed }: LoadedEncoder,
  ) {
    this.threads = threads
    this.unread = unread
    this.sparse = timed.sparse
    this.#model = new HeldHandle(handle, 'speech encoder')
  }

  /**
   * Hidden states of sounds as the model hears them: samples, or frames of `spec.frame_width` numbers laid end to end.
   * Each comes out as it does alone. Throws ERR_DATA for sounds that it cannot hear, ERR_USAGE for layers that it lacks.
   */
  async hiddenStates(
    sounds: readonly Float32Array[],
    { layers = this.#allLayers(), hidden, ...callbacks }: HiddenStatesOptions = {},
  ): Promise<SoundStates[]> {
    const { frame_width, hidden_size } = this.spec
    this.#checkSounds(sounds)
    if (hidden && hidden.length !== sounds.length) throw unmarked(sounds.length, hidden.length)
    const call = {
      ...{ sounds, frame_width, threads: this.threads, layers: layers.map((layer) => this.#numberOf(layer)) },
      ...(hidden && { hidden }),
    }
    const found = await this.#model.run('hiddenStates', call, callbacks as JobCallbacks)
    return found.map(({ places, data }) => {
      const all = new Float32Array(data)
      const size = places * hidden_size
      return { places, states: layers.map((_, i) => all.slice(i * size, (i + 1) * size)) }
    })
  }

  /** Frees the weights once running calls have ended. */
  dispose(): Promise<void> {
    return this.#model.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #allLayers(): number[] {
    return Array.from({ length: this.spec.layers.length + 1 }, (_, i) => i)
  }

  #numberOf(layer: SpeechLayer): number {
    const most = this.spec.layers.length
    if (layer === 'last') return -1
    if (Number.isInteger(layer) && layer >= 0 && layer <= most) return layer
    throw new TongueforgeError('ERR_USAGE', `layers: expected 0 to ${most} or last, received ${layer}`, {
      hint: 'Leave layers out for all of them.',
    })
  }

  #checkSounds(sounds: readonly Float32Array[]): void {
    const { frame_width } = this.spec
    for (const [i, { length }] of sounds.entries())
      if (frame_width > 0 && length % frame_width !== 0)
        throw new TongueforgeError(
          'ERR_DATA',
          `Expected frames of ${frame_width} numbers in sound ${i}, received ${length} numbers`,
          { hint: 'preprocessor_config.json beside the model says what it hears.' },
        )
  }
}

const unmarked = (sounds: number, marks: number) =>
  new TongueforgeError('ERR_USAGE', `hidden: expected marks for each of ${sounds} sounds, received ${marks}`)
