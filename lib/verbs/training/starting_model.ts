/** What the model says of the data before training: measured once, kept in the run folder. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { decoderSpec } from '../../checkpoint/model_config'
import type { ModelFolder } from '../../checkpoint/model_folder'
import type { FileRecord, InputRecord } from '../../checkpoint/provenance'
import { type Handle, native, runJob } from '../../native'
import { epochBatches, nativeRows, type PackedBatch } from '../../text/packing'
import { rm } from '../../writes'
import type { TrainingData } from './data'
import type { Environment } from './environment'
import { canonicalJson, type Identity } from './identity'
import { type DocumentLogProbs, readLogProbs, writeLogProbs } from './log_probs_file'
import type { TrainPlan } from './plan'
import type { LoraPlan } from './trained'

/** Work that is no update: before the first one, and evaluations. */
export interface PreparationProgress {
  label: string
  done: number
  total: number
}

export interface StartingModelOptions {
  dtype: string
  device: string
  threads: number
  /** Rows a batch. */
  rows: number
  /** The run folder, where results are looked for, and kept unless `shared` is given. */
  folder?: string | undefined
  /** A folder of results for all runs: looked in next, and where new ones are kept. */
  shared?: { folder: string; environment: Environment } | undefined
  signal: AbortSignal
  onProgress?: ((progress: PreparationProgress) => void) | undefined
}

/** Rows of which everything is asked, each document in one of the parts. */
export type MeasuredRows = Pick<TrainingData, 'parts' | 'documents'>

export interface StartingPoint {
  model: ModelFolder
  /** Of an earlier run, on top of it. */
  adapter?: LoraPlan | undefined
  /** All of them, by content. */
  files: readonly FileRecord[]
}

/** The model that a run starts from: the one of its config, with the adapter that is trained on. */
export function startingPoint(
  { model, trained }: Pick<TrainPlan, 'model' | 'trained'>,
  { inputs }: Identity,
): StartingPoint | undefined {
  const files = filesOf(inputs, 'model', 'adapter')
  return model && { model, adapter: trained.lora?.start && trained.lora, files }
}

export const filesOf = (inputs: readonly InputRecord[], ...roles: string[]) =>
  inputs.filter(({ role }) => roles.includes(role)).flatMap(({ files }) => files)

/** Where work that is not at its end is kept. */
interface PartFile {
  file: string
  key: string
}

/** Milliseconds after which what was measured outlives a kill. */
const SAVE_EVERY = 60_000

const nothingYet = ({ documents }: MeasuredRows): DocumentLogProbs => ({
  sums: new Float64Array(documents),
  counts: new Float64Array(documents),
})

/** A document that is cut where rows end is the sum of its parts. */
function add(
  all: DocumentLogProbs,
  { documents }: PackedBatch,
  said: { sums: number[]; counts: number[] },
): void {
  for (const [i, number] of documents.entries()) {
    all.sums[number]! += said.sums[i]!
    all.counts[number]! += said.counts[i]!
  }
}

export interface KeyedLogProbs extends DocumentLogProbs {
  /** Of the model, the data and what is measured. */
  key: string
}

export class StartingModel {
  private handle: Handle | undefined

  constructor(
    private readonly start: StartingPoint,
    private readonly options: StartingModelOptions,
  ) {}

  /**
   * The log-probabilities of each document's targets. Read from NAME.bin of the run folder, or from the shared folder,
   * where they are those of the same weights, dtype and rows, in the shared one of the same device too; else measured, which loads the model, and kept. What is
   * stopped goes on from there the next time, with the same result.
   */
  async logProbs(name: string, data: MeasuredRows): Promise<KeyedLogProbs> {
    const key = await this.#keyOf(data)
    const places = this.#places(name, key)
    for (const place of places) {
      const kept = await readLogProbs(place, key)
      if (kept !== undefined) return { ...kept, key }
    }
    const place = places.at(-1)!
    const part = { file: `${place}.part`, key: this.#onDevice(key) }
    const measured = await this.#measure(name, data, part)
    await writeLogProbs(place, key, measured)
    await rm(part.file, { force: true })
    return { ...measured, key }
  }

  dispose(): void {
    if (this.handle !== undefined) native().dispose(this.handle)
  }

  // A run goes on with what it found at first, on whatever device it goes on, and so do all processes of it; others take
  // only what this machine, device and build would find again.
  #places(name: string, key: string): string[] {
    const { folder, shared } = this.options
    const places = folder === undefined ? [] : [join(folder, `${name}.bin`)]
    if (shared === undefined) return places
    const exact = createHash('sha256')
      .update(`${this.#onDevice(key)} ${canonicalJson(shared.environment)}`)
      .digest('hex')
    return [...places, join(shared.folder, `${exact}.bin`)]
  }

  async #measure(name: string, data: MeasuredRows, part: PartFile): Promise<DocumentLogProbs> {
    const { signal, threads, onProgress } = this.options
    const model = await this.#load()
    const { rows: found = 0, ...all } = (await readLogProbs(part.file, part.key)) ?? nothingYet(data)
    const total = data.parts.reduce((sum, { rowsPerEpoch }) => sum + rowsPerEpoch, 0)
    let rows = 0
    let saved = performance.now()
    const save = () => writeLogProbs(part.file, part.key, { ...all, rows })
    try {
      for await (const batch of this.#batches(data)) {
        if (rows < found) {
          rows += batch.rows
          continue
        }
        const said = await runJob('segmentLogProbs', { model, batch: nativeRows(batch), threads }, { signal })
        add(all, batch, said)
        rows += batch.rows
        onProgress?.({ label: name.replaceAll('_', ' '), done: rows, total })
        if (performance.now() - saved < SAVE_EVERY) continue
        await save()
        saved = performance.now()
      }
    } catch (error) {
      if (rows > found) await save().catch(() => {}) // what stopped it is what counts
      throw error
    }
    return all
  }

  async *#batches({ parts }: MeasuredRows): AsyncGenerator<PackedBatch> {
    for (const rows of parts) yield* epochBatches(rows, this.options.rows)
  }

  async #load(): Promise<Handle> {
    if (this.handle !== undefined) return this.handle
    const { dtype, device, threads, signal } = this.options
    const { path, config, configFile } = this.start.model
    const spec = decoderSpec(config, configFile)
    const model = await runJob('loadModel', { folder: path, spec, dtype, device, threads }, { signal })
    this.handle = model // from here on dispose() frees it
    const { adapter } = this.start
    if (adapter?.start) {
      await runJob('attachAdapter', { model, adapters: adapter.modules, dropout: 0, seed: 0 })
      await runJob('loadAdapter', { model, path: adapter.start.weights })
    }
    return model
  }

  #onDevice(key: string): string {
    const { device } = this.options
    return device === 'cpu' ? key : `${key} ${device}`
  }

  async #keyOf(data: MeasuredRows): Promise<string> {
    const content = this.start.files.map(({ name, sha256 }) => `${name} ${sha256}`)
    const hash = createHash('sha256').update(`${this.options.dtype} ${content.join()}`)
    for await (const { ids, labels, segments, documents } of this.#batches(data)) {
      for (const part of [ids, labels, segments]) hash.update(part)
      hash.update(documents.join())
      await setImmediate() // hashing is quick, a corpus is long
      this.options.signal.throwIfAborted()
    }
    return hash.digest('hex')
  }
}
