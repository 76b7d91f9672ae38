/**
 * What decides the bytes that a stage leaves, as one hash a stage: the one before it, its keys, and all that it reads.
 * So a run goes on after the last stage that is as it was.
 */
import { createHash } from 'node:crypto'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { InputRecord } from '../../checkpoint/provenance'
import type { CompressConfig } from '../../config/compress'
import type { DataSource } from '../../config/data'
import { dataCacheFolder } from '../../text/cache/place'
import { readTrainConfig } from '../training/config'
import { canonicalJson, identify, recordSources, recordWhole } from '../training/identity'
import { openInputs } from '../training/plan'
import { recordSoundKeys, recordSounds } from '../training/sound_identity'
import type { PlannedStage } from './plan'
import { trains } from './stages'
import { trainingOf } from './training'

export class Identity {
  /** Files behind all hashes so far, for provenance.json. */
  readonly inputs: InputRecord[] = []
  #calibration: Promise<object[]> | undefined

  constructor(
    private readonly config: CompressConfig,
    private readonly model: ModelFolder,
    private readonly dtype: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Of the model that all stages begin with. */
  async start(): Promise<string> {
    const { content, input } = await recordWhole('model', this.model, this.signal)
    this.#add(input)
    return sha256({ model: content, dtype: this.dtype })
  }

  /** Of what a stage leaves where it finds what has the hash `before`. */
  async of(planned: PlannedStage, before: string): Promise<string> {
    const { stage, config } = planned
    return sha256({
      before,
      ...(trains(stage) ? { training: await this.#training(planned) } : await this.#native(planned)),
      method: config.method,
    })
  }

  /** Of what losses are measured on; undefined where nothing is. */
  async evaluation(): Promise<string | undefined> {
    if (this.config.evaluate === undefined) return undefined
    const { data, ...shape } = this.config.evaluate
    const { seed } = this.config // of what is hidden, where words or sound are
    return sha256({
      ...shape,
      seed,
      data: await this.#contentOf('evaluate', data),
      sound: await this.#sound(),
    })
  }

  async #native({ stage, config, number }: PlannedStage): Promise<object> {
    const calibrates = !trains(stage) && stage.calibrates(config)
    return {
      config,
      seed: this.config.seed,
      number,
      calibration: calibrates && (await this.#calibrationRows()),
      sound: calibrates ? await this.#sound() : undefined,
    }
  }

  async #sound(): Promise<object | undefined> {
    const { content, inputs } = await recordSoundKeys(this.config.sound, this.signal)
    this.#add(...inputs)
    return content
  }

  // The model of this very stage need not be there any more: the hash before it stands for it.
  async #training(planned: PlannedStage): Promise<string> {
    const given = trainingOf(planned, this.config, { model: this.model.path, original: this.model.path })
    const config = await readTrainConfig(given, [])
    const { sha256, inputs } = await identify(config, await openInputs(config), this.signal)
    this.#add(...inputs)
    return sha256
  }

  #calibrationRows(): Promise<object[]> {
    this.#calibration ??= this.#readCalibration()
    return this.#calibration
  }

  async #readCalibration(): Promise<object[]> {
    const { data, ...shape } = this.config.calibration!
    const content = await this.#contentOf('calibration', data)
    return [{ ...shape, seed: shape.seed ?? this.config.seed }, ...content]
  }

  async #contentOf(role: string, data: readonly DataSource[]): Promise<object[]> {
    const cache = dataCacheFolder(this.config.data_cache)
    const record = this.config.sound ? recordSounds : recordSources
    const { content, inputs } = await record(role, data, { cache, signal: this.signal })
    this.#add(...inputs)
    return content
  }

  #add(...inputs: readonly InputRecord[]): void {
    for (const input of inputs) {
      const known = this.inputs.some(({ role, path }) => role === input.role && path === input.path)
      if (!known) this.inputs.push(input)
    }
  }
}

const sha256 = (content: object) => createHash('sha256').update(canonicalJson(content)).digest('hex')
