/** Probes on the points of a landscape: planned once, on sound that is heard once, asked of every point. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { FrontEnd } from '../../audio/front_end'
import { HeardFrames } from '../../audio/heard_frames'
import type { SpeechSpec } from '../../checkpoint/speech_config'
import type { LandscapeConfig } from '../../config/landscape'
import { configError } from '../../config/parse'
import { TongueforgeError } from '../../errors'
import { dataCacheFolder } from '../../text/cache/place'
import type { ModelAtHand } from '../compressing/model_at_hand'
import type { ProbeFigures } from '../probing/figures'
import { checkMemory } from '../probing/gather'
import { hashProbes } from '../probing/identity'
import { probeModel } from '../probing/model'
import { type ProbePlan, planProbes } from '../probing/plan'
import type { MeasureOptions } from './measure'
import type { PlannedPoint } from './plan'

export interface Planning {
  signal: AbortSignal
  onWarning: (message: string) => void
}

export class PointProbes {
  #sounds: HeardFrames | undefined

  private constructor(
    private readonly config: LandscapeConfig,
    private readonly plan: ProbePlan,
    private readonly frontEnd: FrontEnd,
  ) {}

  /** Looks at labels and heads of files; nothing where no probes are asked for. Throws ERR_CONFIG, ERR_DATA, ERR_AUDIO. */
  static async open(
    config: LandscapeConfig,
    { folder, spec }: ModelAtHand,
    file: string,
    options: Planning,
  ): Promise<PointProbes | undefined> {
    if (config.probe === undefined) return undefined
    if (spec.kind !== 'speech') throw notHeard(file, spec.architecture)
    const frontEnd = await FrontEnd.open(folder.path)
    frontEnd.requireWidth(spec.frame_width, folder.path)
    const plan = await planProbes(config.probe, frontEnd, options)
    checkMemory(plan, spec)
    return new PointProbes(config, plan, frontEnd)
  }

  /** Throws ERR_CONFIG where a probe looks at a layer that a point will not have. */
  check({ after }: PlannedPoint): void {
    checkMemory(this.plan, after.spec as SpeechSpec)
  }

  /** Of all that decides what probes tell of a model. */
  hash(signal: AbortSignal): Promise<string> {
    const { data_cache } = this.config
    return hashProbes(this.plan, { cache: dataCacheFolder(data_cache), signal })
  }

  /** In the order of the config; null of a model whose states are no numbers any more. */
  async of(
    model: ModelAtHand,
    { signal, onWarning: warn, onProgress }: MeasureOptions,
  ): Promise<ProbeFigures[] | null> {
    const { threads, seed } = this.config
    this.#sounds ??= new HeardFrames(this.frontEnd, signal)
    const probed = { handle: await model.loaded({ signal, warn }), spec: model.spec as SpeechSpec }
    try {
      return await probeModel(probed, this.plan, { sounds: this.#sounds, threads, seed, signal, onProgress })
    } catch (error) {
      if (error instanceof TongueforgeError && error.code === 'ERR_NON_FINITE') return null
      throw error
    }
  }

  close(): Promise<void> {
    return this.frontEnd.dispose()
  }
}

/** Whether the model of a point is still there to be probed. */
export const isKept = ({ compress: { out } }: PlannedPoint): boolean =>
  existsSync(join(out, 'model', 'config.json'))

const notHeard = (file: string, architecture: string) =>
  configError(file, `probe: expected with a speech encoder alone, received it with ${architecture}`, {
    hint: 'Leave probe out: quality of a model of text is its loss.',
    key: 'probe',
  })
