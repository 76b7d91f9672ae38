/** A speech encoder in memory: it gives hidden states of sound. Many calls may run on it at once. */
import { FrontEnd } from '../audio/front_end'
import { type Audio, readAudio } from '../audio/read'
import { type ModelFolder, openModelFolder } from '../checkpoint/model_folder'
import { type SpeechSpec, speechSpec } from '../checkpoint/speech_config'
import {
  checkOptions,
  JOB_LISTENERS,
  type Kinds,
  listOption,
  pathOption,
  refused,
} from '../config/call_options'
import { shown } from '../config/parse'
import { TongueforgeError } from '../errors'
import type { CountProgress, JobCallbacks, SparseLayer } from '../native'
import { HeldHandle, type RunOnHandle } from './held_handle'
import { LOAD_OPTIONS, type LoadOptions } from './load_options'
import { type LoadedEncoder, loadedEncoder } from './loaded_encoder'

/** A layer by its number: 0 is what goes into the first block, n what the n-th gives; `last`: what the model gives. */
export type SpeechLayer = number | 'last'

/** The path of a sound file, samples at the rate that is said, or what the model hears: samples at its rate, or frames. */
export type SpeechInput = string | Audio | Float32Array

/** Which layers are given, and what of the sounds is not heard. */
export interface HiddenStatesOptions extends JobCallbacks<CountProgress> {
  /** Default: all of them, from 0. `last` is the last of them, where no norm stands behind the blocks. */
  layers?: readonly SpeechLayer[] | undefined
  /** Of each sound, 1 where a place is not heard, as training hides it; default: all are heard. */
  hidden?: readonly Int32Array[] | undefined
}

const HIDDEN_STATES: Kinds<HiddenStatesOptions> = {
  ...JOB_LISTENERS,
  layers: 'any',
  hidden: 'any',
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
  checkOptions('loadSpeechEncoder', options, LOAD_OPTIONS)
  pathOption('loadSpeechEncoder: folder', folder)
  const files = await openModelFolder(folder)
  const spec = speechSpec(files.config, files.configFile)
  return new SpeechEncoder(files, spec, await loadedEncoder(files.path, spec, options))
}

/** A loaded speech encoder: hidden states of sounds. Many calls may run on it at a time. */
export class SpeechEncoder {
  readonly #model: HeldHandle
  #frontEnd: Promise<FrontEnd> | undefined
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
   * Hidden states of sounds, each as it is alone: of files and samples through the folder's front end, or as the model
   * hears them: samples, or frames of `spec.frame_width` numbers laid end to end. Throws ERR_DATA for sounds that it cannot
   * hear, ERR_AUDIO for files that are none, ERR_USAGE for layers that it lacks.
   */
  async hiddenStates(
    given: readonly SpeechInput[],
    options: HiddenStatesOptions = {},
  ): Promise<SoundStates[]> {
    return this.#model.call(async (run) => {
      checkOptions('hiddenStates', options, HIDDEN_STATES)
      return this.#hiddenStates(run, given, options)
    })
  }

  async #hiddenStates(
    run: RunOnHandle,
    given: readonly SpeechInput[],
    { layers = this.#allLayers(), hidden, ...callbacks }: HiddenStatesOptions,
  ): Promise<SoundStates[]> {
    const { frame_width, hidden_size } = this.spec
    if (!Array.isArray(layers) || layers.length === 0) throw noLayers(layers)
    const numbers = layers.map((layer) => this.#numberOf(layer))
    checkSounds(given, hidden)
    if (hidden && hidden.length !== given.length) throw unmarked(given.length, hidden.length)
    const sounds: Float32Array[] = []
    for (const sound of given) sounds.push(await this.#heard(sound, callbacks.signal))
    this.#checkSounds(sounds)
    const call = { sounds, frame_width, threads: this.threads, layers: numbers, ...(hidden && { hidden }) }
    const found = await run('hiddenStates', call, callbacks as JobCallbacks)
    return found.map(({ places, data }) => {
      const all = new Float32Array(data)
      const size = places * hidden_size
      return { places, states: layers.map((_, i) => all.slice(i * size, (i + 1) * size)) }
    })
  }

  /** Frees the weights once running calls have ended. */
  async dispose(): Promise<void> {
    await this.#model.dispose()
    const frontEnd = await this.#frontEnd?.catch(() => undefined)
    await frontEnd?.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #heard(sound: SpeechInput, signal: AbortSignal | undefined): Promise<Float32Array> {
    if (sound instanceof Float32Array) return sound
    const audio = typeof sound === 'string' ? await readAudio(sound, { signal }) : sound
    this.#frontEnd ??= this.#openFrontEnd()
    const { data } = await (await this.#frontEnd).sound(audio, { signal, threads: this.threads })
    return data
  }

  async #openFrontEnd(): Promise<FrontEnd> {
    const frontEnd = await FrontEnd.open(this.files.path)
    const { frame_width } = this.spec
    if (frontEnd.width === frame_width) return frontEnd
    throw new TongueforgeError(
      'ERR_MODEL_CONFIG',
      `preprocessor_config.json: expected ${kindOf(frame_width)}, as config.json says, received ${kindOf(frontEnd.width)}`,
      { hint: 'Take both files from the same model.', details: { folder: this.files.path } },
    )
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

/** A path alone would be read letter by letter. */
function checkSounds(given: readonly SpeechInput[], hidden: HiddenStatesOptions['hidden']): void {
  for (const [i, sound] of listOption('hiddenStates: sounds', given, 'sounds').entries()) {
    const { samples, rate } = Object(sound) as Partial<Audio>
    const isAudio = samples instanceof Float32Array && typeof rate === 'number'
    if (typeof sound !== 'string' && !(sound instanceof Float32Array) && !isAudio)
      throw refused(`hiddenStates: sounds[${i}]`, 'a path, a Float32Array or { samples, rate }', sound)
  }
  if (hidden === undefined) return
  for (const [i, marks] of listOption('hiddenStates: hidden', hidden, 'Int32Array').entries())
    if (!(marks instanceof Int32Array)) throw refused(`hiddenStates: hidden[${i}]`, 'an Int32Array', marks)
}

const kindOf = (width: number) => (width === 0 ? 'samples' : `frames of ${width} numbers`)

const noLayers = (given: unknown) =>
  new TongueforgeError(
    'ERR_USAGE',
    `layers: expected a list of one layer or more, received ${shown(given)}`,
    {
      hint: "layers: ['last'], or leave layers out for all of them.",
      details: { option: 'layers', received: given },
    },
  )

const unmarked = (sounds: number, marks: number) =>
  new TongueforgeError('ERR_USAGE', `hidden: expected marks for each of ${sounds} sounds, received ${marks}`)
