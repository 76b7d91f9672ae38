/** From the samples of an utterance to what a speech model reads: log-mel frames, or the samples themselves. */
import { join } from 'node:path'
import { readJsonObjectIfPresent } from '../checkpoint/json_file'
import { outputLength } from '../counting/convolution'
import { TongueforgeError } from '../errors'
import { type FrontEndSettings, type Handle, native, runJob, type SoundMoments } from '../native'
import type { Audio } from './formats'
import { type FrontEndConfig, isMel, type MelConfig, readFrontEndConfig } from './front_end_config'

/** What a model reads of an utterance. */
export interface Sound {
  /** Frames of `width` end to end, or samples where that is 0. */
  data: Float32Array
  width: number
  /** Places that the model makes of it. */
  places: number
}

/** The convolutions over samples: (kernel, stride), the first one first. */
export type Convolutions = readonly { kernel: number; stride: number }[]

/** Of HuBERT and wav2vec2: a place every 320 samples, of 400. */
const CONVOLUTIONS = { conv_kernel: [10, 3, 3, 3, 3, 2, 2], conv_stride: [5, 2, 2, 2, 2, 2, 2] }

export interface SoundOptions {
  signal?: AbortSignal | undefined
  /** 0 = libtorch's own choice. The values do not depend on it. */
  threads?: number | undefined
}

export class FrontEnd {
  #handle: Promise<Handle> | undefined

  /** `seed`: of the dither, where there is some. `convolutions`: of a model that reads samples. */
  constructor(
    readonly config: FrontEndConfig,
    private readonly more: { seed?: number; convolutions?: Convolutions } = {},
  ) {}

  /** Of a model folder. Throws ERR_NOT_FOUND, ERR_MODEL_CONFIG. */
  static async open(folder: string, more: { seed?: number } = {}): Promise<FrontEnd> {
    const config = await readFrontEndConfig(folder)
    return new FrontEnd(config, { ...more, convolutions: await convolutionsOf(folder) })
  }

  /** Throws ERR_MODEL_CONFIG where the model in `folder` hears frames of another width; 0: samples. */
  requireWidth(width: number, folder: string): void {
    if (width === this.width) return
    throw new TongueforgeError(
      'ERR_MODEL_CONFIG',
      `${folder}: preprocessor_config.json: expected a front end of ${kindOf(width)}, as config.json says, received one of ${kindOf(this.width)}`,
      {
        hint: 'Take both files from the same model: num_mel_bins times stacked_frames is feat_emb_dim of config.json.',
        details: { path: folder, width: this.width, expected: width },
      },
    )
  }

  /** What it hears in, samples a second; sound of another rate is resampled. */
  get rate(): number {
    return this.config.sampling_rate
  }

  /** Values of a frame; 0: samples. */
  get width(): number {
    return isMel(this.config) ? this.config.num_mel_bins * this.config.stacked_frames : 0
  }

  /** Of an utterance of so many samples at any rate: what `sound` will have. */
  places(samples: number, rate: number): number {
    const heard = Math.ceil((samples * this.rate) / rate)
    if (isMel(this.config)) return Math.ceil(framesOf(this.config, heard) / this.config.stacked_frames)
    const shape = { name: '', inputs: 1, outputs: 1, padding: 0, groups: 1, bias: false, weight_norm: false }
    return this.#convolutions.reduce((length, layer) => outputLength({ ...shape, ...layer }, length), heard)
  }

  /** The middle of what a place is made of, in seconds from the start of the utterance. */
  middleOf(place: number): number {
    if (isMel(this.config)) {
      const { frame_length_ms, frame_shift_ms, stacked_frames } = this.config
      const length = frame_length_ms + (stacked_frames - 1) * frame_shift_ms
      return (place * stacked_frames * frame_shift_ms + length / 2) / 1000
    }
    const { length, stride } = this.#placeOfSamples
    return (place * stride + length / 2) / this.rate
  }

  /** Of what it gave of an utterance, that which `count` places from `from` on are made of. */
  piece(data: Float32Array, from: number, count: number): Float32Array {
    if (isMel(this.config)) return data.subarray(from * this.width, (from + count) * this.width)
    const { length, stride } = this.#placeOfSamples
    return data.subarray(from * stride, (from + count - 1) * stride + length)
  }

  /** The samples that a place is made of, and from one to the next. */
  get #placeOfSamples(): { length: number; stride: number } {
    let [stride, length] = [1, 1]
    for (const layer of this.#convolutions) {
      length += (layer.kernel - 1) * stride
      stride *= layer.stride
    }
    return { length, stride }
  }

  /** Seconds below which an utterance has no place at all. */
  get leastSeconds(): number {
    let samples = 1
    while (this.places(samples, this.rate) === 0) samples++
    return samples / this.rate
  }

  /** Throws ERR_AUDIO for a rate that cannot be brought to the model's. */
  async sound({ samples, rate }: Audio, { signal, threads = 0 }: SoundOptions = {}): Promise<Sound> {
    const options = { front_end: await this.#native(), samples, rate, threads }
    const { data, width } = await runJob('hearSound', options, { signal })
    return { data: new Float32Array(data), width, places: this.places(samples.length, rate) }
  }

  /** Of log-mel frames, before mean and std are applied and frames are stacked. */
  async moments({ samples, rate }: Audio, { signal, threads = 0 }: SoundOptions = {}): Promise<SoundMoments> {
    return runJob('soundMoments', { front_end: await this.#native(), samples, rate, threads }, { signal })
  }

  /** Frees what native code holds; the garbage collector does so at the latest. */
  async dispose(): Promise<void> {
    const handle = await this.#handle?.catch(() => undefined)
    this.#handle = undefined
    if (handle) native().dispose(handle)
  }

  get #convolutions(): Convolutions {
    return this.more.convolutions ?? zipped(CONVOLUTIONS)
  }

  #native(): Promise<Handle> {
    this.#handle ??= runJob('makeFrontEnd', settingsOf(this.config, this.more.seed ?? 0))
    return this.#handle
  }
}

/** Whole frames in so many samples (Kaldi's snip_edges). */
function framesOf({ sampling_rate, frame_length_ms, frame_shift_ms }: MelConfig, samples: number): number {
  const [length, shift] = [frame_length_ms, frame_shift_ms].map((ms) =>
    Math.floor(sampling_rate * 0.001 * ms),
  )
  return samples < length! ? 0 : 1 + Math.floor((samples - length!) / shift!)
}

function settingsOf(config: FrontEndConfig, seed: number): FrontEndSettings {
  if (!isMel(config)) return { rate: config.sampling_rate, normalize: config.do_normalize }
  const { num_mel_bins: bins, frame_length_ms, frame_shift_ms, preemphasis, window, dither } = config
  const { sampling_rate: rate, stacked_frames: stacked, mean, std } = config
  const frequencies = { low_frequency: 20, high_frequency: 0 }
  return {
    rate,
    bank: { bins, frame_length_ms, frame_shift_ms, preemphasis, window, dither, seed, ...frequencies },
    ...(mean && { mean: Float32Array.from(mean) }),
    ...(std && { std: Float32Array.from(std) }),
    stacked,
  }
}

/** Of config.json, where it says them. */
async function convolutionsOf(folder: string): Promise<Convolutions> {
  const file = join(folder, 'config.json')
  const config = (await readJsonObjectIfPresent(file, { code: 'ERR_MODEL_CONFIG' })) ?? {}
  const { conv_kernel = CONVOLUTIONS.conv_kernel, conv_stride = CONVOLUTIONS.conv_stride } = config
  const areSizes = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((size) => Number.isInteger(size) && size > 0)
  if (areSizes(conv_kernel) && areSizes(conv_stride) && conv_kernel.length === conv_stride.length)
    return zipped({ conv_kernel, conv_stride })
  throw new TongueforgeError(
    'ERR_MODEL_CONFIG',
    `${file}: conv_kernel, conv_stride: expected two lists of as many sizes`,
    {
      hint: 'Compare config.json with the one that the model was published with.',
      details: { file },
    },
  )
}

const zipped = ({
  conv_kernel,
  conv_stride,
}: {
  conv_kernel: number[]
  conv_stride: number[]
}): Convolutions => conv_kernel.map((kernel, i) => ({ kernel, stride: conv_stride[i]! }))

const kindOf = (width: number) => (width === 0 ? 'samples' : `${width} numbers a place`)
