/** What is clustered: log-mel frames, or the hidden states of a layer of a model. */
import { FrontEnd } from '../../audio/front_end'
import { checkFrontEndConfig, type MelConfig } from '../../audio/front_end_config'
import type { Utterance } from '../../audio/list'
import { melStatistics, type StatisticsOptions } from '../../audio/statistics'
import { hear } from '../../audio/stream'
import { type ModelFolder, openModelFolder } from '../../checkpoint/model_folder'
import type { ClustersConfig } from '../../config/clusters'
import { configError } from '../../config/parse'
import { loadSpeechEncoder, type SpeechEncoder, type SpeechLayer } from '../speech_encoder'

export interface Features {
  /** Values of a frame. */
  readonly width: number
  /** Frames between two labels. */
  readonly stride: number
  /** Seconds below which an utterance has no frame. */
  readonly leastSeconds: number
  /** Of an utterance, known from its head. */
  frames(utterance: Utterance): number
  /** What has to be known of all the data first; nothing where `known` is what it returned before. */
  prepare(utterances: readonly Utterance[], options: StatisticsOptions, known?: MelConfig): Promise<void>
  /** Frames end to end. */
  of(utterance: Utterance, options: { signal?: AbortSignal | undefined }): Promise<Float32Array>
  /** preprocessor_config.json of a model that is to foretell the clusters; of a layer's its model has one. */
  readonly frontEnd: MelConfig | undefined
  /** Of the model, where it is a layer of one. */
  readonly files: ModelFolder | undefined
  close(): Promise<void>
}

/** Throws ERR_NOT_FOUND, ERR_MODEL_CONFIG, and what loading a model throws. */
export async function openFeatures(config: ClustersConfig): Promise<Features> {
  const { model, layer, threads } = config
  if (model === undefined || layer === undefined) return new MelFeatures(config)
  const { path } = await openModelFolder(model) // of a run folder, its result
  const frontEnd = await FrontEnd.open(path, { seed: config.seed })
  const encoder = await loadSpeechEncoder(path, { threads })
  checkLayer(encoder, layer)
  frontEnd.requireWidth(encoder.spec.frame_width, encoder.files.path)
  return new LayerFeatures(encoder, frontEnd, layer)
}

function checkLayer({ spec }: SpeechEncoder, layer: SpeechLayer): void {
  const most = spec.layers.length
  if (layer === 'last' || layer <= most) return
  throw configError('config', `layer: expected 0 to ${most}, or last, received ${layer}`, {
    hint: `The model has ${most} layers.`,
    key: 'layer',
  })
}

class MelFeatures implements Features {
  readonly files = undefined
  readonly stride: number
  readonly width: number
  #config: MelConfig
  #frontEnd: FrontEnd

  constructor(private readonly given: ClustersConfig) {
    const named = { feature_extractor_type: 'MelHubertFeatureExtractor', ...given.front_end }
    this.#config = checkFrontEndConfig(named, 'front_end') as MelConfig
    this.stride = this.#config.stacked_frames
    this.width = this.#config.num_mel_bins
    this.#frontEnd = this.#single()
  }

  get leastSeconds(): number {
    return this.#frontEnd.leastSeconds
  }

  get frontEnd(): MelConfig {
    return this.#config
  }

  frames({ samples, rate }: Utterance): number {
    return this.#frontEnd.places(samples, rate)
  }

  async prepare(
    utterances: readonly Utterance[],
    options: StatisticsOptions,
    known?: MelConfig,
  ): Promise<void> {
    if (known) this.#config = known
    else {
      const { mean, std } = await melStatistics(utterances, this.#frontEnd, options)
      this.#config = { ...this.#config, mean, std }
    }
    await this.close()
    this.#frontEnd = this.#single()
  }

  async of(utterance: Utterance, { signal }: { signal?: AbortSignal | undefined }): Promise<Float32Array> {
    const { threads } = this.given
    return (await hear(utterance, this.#frontEnd, { signal, threads })).sound.data
  }

  close(): Promise<void> {
    return this.#frontEnd.dispose()
  }

  /** Frames one by one, whatever the model will read. */
  #single(): FrontEnd {
    return new FrontEnd({ ...this.#config, stacked_frames: 1 }, { seed: this.given.seed })
  }
}

class LayerFeatures implements Features {
  readonly stride = 1
  readonly frontEnd = undefined

  constructor(
    private readonly model: SpeechEncoder,
    private readonly heard: FrontEnd,
    private readonly layer: SpeechLayer,
  ) {}

  get width(): number {
    return this.model.spec.hidden_size
  }

  get files(): ModelFolder {
    return this.model.files
  }

  get leastSeconds(): number {
    return this.heard.leastSeconds
  }

  frames({ samples, rate }: Utterance): number {
    return this.heard.places(samples, rate)
  }

  async prepare(): Promise<void> {}

  async of(utterance: Utterance, { signal }: { signal?: AbortSignal | undefined }): Promise<Float32Array> {
    const { sound } = await hear(utterance, this.heard, { signal })
    const [states] = await this.model.hiddenStates([sound.data], { layers: [this.layer], signal })
    return states!.states[0]!
  }

  async close(): Promise<void> {
    await this.heard.dispose()
    await this.model.dispose()
  }
}
