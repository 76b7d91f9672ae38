/** Hidden states of all utterances of a plan, in memory: of each its mean, its places, or both, as probes need them. */
import type { HeardFrames } from '../../audio/heard_frames'
import type { SpeechSpec } from '../../checkpoint/speech_config'
import { TongueforgeError } from '../../errors'
import { type Handle, native, runJob } from '../../native'
import type { LabelledProgress } from '../run'
import { KINDS } from './kinds'
import { layersOfAll } from './layers'
import type { ProbePlan } from './plan'

/** A speech encoder in memory. */
export interface ProbedModel {
  handle: Handle
  spec: SpeechSpec
}

export interface GatherOptions {
  sounds: HeardFrames
  threads: number
  signal?: AbortSignal | undefined
  onProgress?: ((progress: LabelledProgress) => void) | undefined
}

type Store = 'pooled' | 'places'

/** Rows that each utterance has in a store. */
export function rowsOf({ probes, places, utterances }: ProbePlan, store: Store): Int32Array {
  const rows = new Int32Array(utterances.length)
  for (const { config, trains, test } of probes) {
    const { pooled } = KINDS[config.kind]
    if (pooled !== (store === 'pooled')) continue
    for (const { utterances: used } of [...trains, test])
      for (const number of used) rows[number] = pooled ? 1 : places[number]!
  }
  return rows
}

const configsOf = ({ probes }: ProbePlan) => probes.map(({ config }) => config)

const sum = (values: Int32Array) => values.reduce((total, value) => total + value, 0)

/** Bytes of what will be in memory. */
export function memoryOf(plan: ProbePlan, spec: SpeechSpec): number {
  const layers = layersOfAll(configsOf(plan), spec).length
  const rows = sum(rowsOf(plan, 'pooled')) + sum(rowsOf(plan, 'places'))
  return rows * layers * spec.hidden_size * Float32Array.BYTES_PER_ELEMENT
}

/** Throws ERR_OUT_OF_MEMORY where it is more than max_memory_gb; ERR_CONFIG for a layer that the model lacks. */
export function checkMemory(plan: ProbePlan, spec: SpeechSpec): number {
  const bytes = memoryOf(plan, spec)
  const { max_memory_gb } = plan.config
  if (bytes <= max_memory_gb * 1e9) return bytes
  throw new TongueforgeError(
    'ERR_OUT_OF_MEMORY',
    `expected hidden states of at most ${max_memory_gb} GB (max_memory_gb), received probes that look at ${(bytes / 1e9).toPrecision(3)} GB of them`,
    {
      hint: 'Less sound for probes of kind frames and sequence, layers: last, or a larger max_memory_gb.',
      details: { bytes },
    },
  )
}

/** Utterances of a call. */
const GROUP = 16

export class GatheredStates {
  private constructor(
    /** By their number in the states; -1 is what the whole model gives. */
    readonly layers: readonly number[],
    private readonly stores: Partial<Record<Store, Handle>>,
  ) {}

  /** Runs the model over each utterance alone. Throws ERR_AUDIO, ERR_NON_FINITE, ERR_INPUT_CHANGED. */
  static async of(plan: ProbePlan, model: ProbedModel, options: GatherOptions): Promise<GatheredStates> {
    const layers = layersOfAll(configsOf(plan), model.spec)
    const stores: Partial<Record<Store, Handle>> = {}
    for (const store of ['pooled', 'places'] as const) {
      const rows = rowsOf(plan, store)
      if (sum(rows) === 0) continue
      const size = { layers: layers.length, width: model.spec.hidden_size }
      stores[store] = await runJob('makeProbeStates', { ...size, rows, pooled: store === 'pooled' })
    }
    const gathered = new GatheredStates(layers, stores)
    try {
      await gathered.fill(plan, model, options)
      return gathered
    } catch (error) {
      gathered.dispose()
      throw error
    }
  }

  private async fill(
    { utterances }: ProbePlan,
    { handle: model, spec }: ProbedModel,
    { sounds, threads, signal, onProgress }: GatherOptions,
  ): Promise<void> {
    const call = { model, layers: this.layers, frame_width: spec.frame_width, ...this.stores, threads }
    for (let from = 0; from < utterances.length; from += GROUP) {
      const group = utterances.slice(from, from + GROUP)
      const heard: Float32Array[] = []
      for (const utterance of group) heard.push((await sounds.of(utterance)).data)
      const numbers = Int32Array.from(group, (_, i) => from + i)
      const given = { ...call, sounds: heard, utterances: numbers }
      await runJob('addProbeStates', given, { signal })
      onProgress?.({ label: 'hidden states', done: from + group.length, total: utterances.length })
    }
  }

  /** Where the states of a kind of probe are. */
  store(pooled: boolean): Handle {
    return this.stores[pooled ? 'pooled' : 'places']!
  }

  dispose(): void {
    for (const handle of Object.values(this.stores)) native().dispose(handle)
  }
}
