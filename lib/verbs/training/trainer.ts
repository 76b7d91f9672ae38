/** The native trainer behind a typed face: one update, one evaluation, one checkpoint a call. */
import { join } from 'node:path'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../../checkpoint/adapter_folder'
import { MAX_SHARD_BYTES, writeJson } from '../../checkpoint/write_folder'
import { Team } from '../../distributed/team'
import { TongueforgeError } from '../../errors'
import {
  type Handle,
  type LossSums,
  type MaskCounts,
  native,
  type PackedBatch,
  runJob,
  type SamplingSettings,
  type StepOutcome,
} from '../../native'
import {
  epochBatches,
  nativeRows,
  PADDING,
  type PackedBatch as PackedRows,
  type RowSource,
} from '../../text/packing'
import { type GeneratedIds, generatedIds } from '../generate'
import { warnOfUnread } from '../unread_tensors'
import type { Limits } from './anomalies'
import { Batches } from './batches'
import type { StateWriter } from './checkpoints'
import type { TrainingData } from './data'
import { advice } from './memory_room'
import {
  isDeterministic,
  lossSettings,
  masksOf,
  nativeInit,
  optimizerSettings,
  togetherOf,
} from './native_settings'
import type { TrainPlan } from './plan'
import { learningRate } from './schedule'
import { cutStudent } from './student'
import { loadTeacher } from './teaching'
import type { LoraPlan } from './trained'

/** Of a row, where it is to be found again; rows of a batch that are shown. */
const [SHOWN_TOKENS, SHOWN_ROWS] = [12, 8]

export interface Update {
  /** Number of the update, from 0. */
  step: number
  /** Number of the batch that it learns from, in the order of the data. */
  batch: number
  limits: Limits
}

export interface StepResult {
  /** Why the update was not taken and nothing has changed; empty: it was taken. */
  refused: '' | 'non_finite' | 'spike' | 'stop'
  /** Mean over the targets, before the update. */
  loss: number
  grad_norm: number
  lr: number
  /** Targets of the update. */
  tokens: number
  /** Places that are not padding: what throughput counts. */
  real_tokens: number
  /** Memory of a GPU. */
  device?: StepOutcome['device']
}

export interface OpenOptions {
  signal: AbortSignal
  /** Hears of tensors of the model that are not read. */
  warn: (message: string) => void
  /** Who trains it together; default: this process alone. */
  team?: Team
}

export class Trainer implements StateWriter {
  private readonly batches: Batches

  private constructor(
    private readonly plan: TrainPlan,
    private readonly model: Handle,
    private readonly handle: Handle,
    private readonly team: Team,
  ) {
    const { batch_size: rows, accumulation } = plan.config
    const share = { index: team.rank, of: team.size }
    this.batches = new Batches(plan.data.rows, { rows, accumulation, share })
  }

  /** Weights from the plan's model, or random; then all that training had changed from a checkpoint folder. */
  static async open(
    plan: TrainPlan,
    checkpoint: string | undefined,
    { signal, warn, team = Team.alone }: OpenOptions,
  ): Promise<Trainer> {
    const { config } = plan
    const { device, threads } = config
    const { lora, frozen } = plan.trained
    const model = await startingModel(plan, { signal, warn })
    if (lora) await putAdapters(model, lora, config.seed)
    const teacher = plan.teaching && (await loadTeacher(plan.teaching, { device, threads, signal }))
    const handle = await runJob('makeTrainer', {
      model,
      optimizer: optimizerSettings(config),
      loss: lossSettings(config, teacher),
      dtype: config.dtype,
      frozen,
      seed: config.seed,
      recompute_blocks: config.activation_checkpointing === 'block',
      deterministic: isDeterministic(config),
      graph: config.graph === 'auto',
      dropout: config.dropout,
      masks: masksOf(config),
      ...(team.group && { together: togetherOf(config, team.group) }),
    })
    if (teacher) native().dispose(teacher) // the trainer holds it
    const trainer = new Trainer(plan, model, handle, team)
    if (checkpoint !== undefined) await trainer.load(checkpoint)
    return trainer
  }

  /**
   * One update. Its data are a function of the batch's number, so resuming needs no cursor. A process of several is not
   * stopped within it: where one was told to, none of them takes it.
   */
  async step({ step, batch, limits }: Update, signal: AbortSignal): Promise<StepResult> {
    const { config, data } = this.plan
    const batches = await this.batches.of(batch, step + 1 < config.steps)
    const lr = learningRate(config, step)
    const { clip, threads } = config
    const micro = batches.map((one) => nativeBatch(one, data))
    const isAlone = this.team.group === undefined
    const options = {
      ...{ trainer: this.handle, batches: micro, lr, clip, step, threads, ...limits },
      first_micro_batch: this.batches.firstMicroBatch,
      real_tokens: batches.reduce((sum, { tokens }) => sum + tokens, 0),
      stop: !isAlone && signal.aborted,
    }
    const outcome = await runJob('trainStep', options, isAlone ? { signal } : {}).catch(
      outOfMemory(this.plan),
    )
    const { figures, real_tokens, ...result } = outcome
    return { ...result, lr, ...figures, real_tokens }
  }

  /** Makes the smallest weights zero up to a share of them, to stay so; gives how many are. */
  async prune(sparsity: number, scope: string, signal: AbortSignal): Promise<MaskCounts> {
    const { threads } = this.plan.config
    return runJob('trainPrune', { trainer: this.handle, sparsity, scope, threads }, { signal })
  }

  /** How many weights can be pruned, and are. */
  async masked(): Promise<MaskCounts> {
    return runJob('trainMasked', { trainer: this.handle })
  }

  /** How the rows of a batch begin: what to look for in the data. */
  async beginnings(batch: number): Promise<string[]> {
    const { text, data } = this.plan
    const batches = await this.batches.readAll(batch)
    if (!text) return batches.flatMap(({ documents }) => documents.slice(0, SHOWN_ROWS)).map(data.nameOf!)
    const { tokenizer } = text
    const texts: Promise<string>[] = []
    for (const { ids, segments, rows, row_length } of batches) {
      for (let first = 0; first < rows * row_length && texts.length < SHOWN_ROWS; first += row_length) {
        const shown = ids.slice(first, first + Math.min(SHOWN_TOKENS, row_length))
        texts.push(tokenizer.decode(shown.filter((_, i) => segments[first + i] !== PADDING)))
      }
    }
    return Promise.all(texts)
  }

  /** The loss on each batch of one pass over some rows of `data`; nothing changes. */
  async *lossSums(
    rows: RowSource,
    data: TrainingData,
    signal: AbortSignal,
  ): AsyncGenerator<LossSums & { rows: number }> {
    const { batch_size, threads } = this.plan.config
    for await (const batch of epochBatches(rows, batch_size)) {
      const options = { trainer: this.handle, batch: nativeBatch(batch, data), threads }
      yield { ...(await runJob('trainEvaluate', options, { signal })), rows: batch.rows }
    }
  }

  /** Continues prompts with the weights as they are, adapters included; nothing of the training changes. */
  async generate(
    prompts: readonly Int32Array[],
    settings: SamplingSettings & { max_new_tokens: number; stop_ids: readonly number[] },
    { signal, onToken }: { signal: AbortSignal; onToken: () => void },
  ): Promise<GeneratedIds[]> {
    const { model } = this
    const { threads } = this.plan.config
    const stop_ids = Int32Array.from(settings.stop_ids)
    const options = { ...settings, model, threads, prompts: [...prompts], stop_ids, stream: true }
    return generatedIds(await runJob('generate', options, { signal, onItem: onToken }))
  }

  /** Writes the weights into an existing folder. */
  async saveWeights(folder: string): Promise<void> {
    const { dtype } = this.plan.config
    await runJob('saveModel', { model: this.model, folder, dtype, max_shard_bytes: MAX_SHARD_BYTES })
  }

  /** Writes the adapters into an existing folder, as PEFT does. */
  async saveAdapter(folder: string): Promise<void> {
    const { also, config } = this.plan.trained.lora!
    await runJob('saveAdapter', { model: this.model, also, path: join(folder, ADAPTER_WEIGHTS) })
    await writeJson(folder, ADAPTER_CONFIG, config)
  }

  /** What the model, adapters included, says of one row of tokens: (T,V) laid end to end. */
  async logits(ids: Int32Array): Promise<Float32Array> {
    return logitsOf(this.model, ids, this.plan.config.threads)
  }

  /** All that training had changed, from a checkpoint's folder. */
  async load(checkpoint: string): Promise<void> {
    await runJob('trainResume', { trainer: this.handle, path: stateFile(checkpoint) })
  }

  /** Float32 weights and optimizer state: all that resuming needs besides the step. */
  async saveState(folder: string): Promise<void> {
    await runJob('trainSave', { trainer: this.handle, path: stateFile(folder) })
  }

  /** This process's part of the state, to rank 0, which saves it or copies it meanwhile. */
  async sendState(): Promise<void> {
    await runJob('trainSendState', { trainer: this.handle })
  }

  /** A copy of what `saveState` writes, to be written later; as much memory again, until it is disposed of. */
  async snapshot(): Promise<StateWriter & { dispose(): void }> {
    const snapshot = await runJob('trainSnapshot', { trainer: this.handle })
    return {
      saveState: (folder) => runJob('saveSnapshot', { snapshot, path: stateFile(folder) }),
      dispose: () => native().dispose(snapshot),
    }
  }

  dispose(): void {
    native().dispose(this.handle)
    native().dispose(this.model)
  }
}

/** What to change is said in the words of the config. */
const outOfMemory = (plan: TrainPlan) => (error: unknown) => {
  if (!(error instanceof TongueforgeError) || error.code !== 'ERR_OUT_OF_MEMORY') throw error
  const { message, code, details } = error
  throw new TongueforgeError(code, message, { hint: advice(plan), details, cause: error })
}

/** What a model says of one row of tokens: (T,V) laid end to end. */
export async function logitsOf(model: Handle, ids: Int32Array, threads: number): Promise<Float32Array> {
  return new Float32Array((await runJob('logits', { model, rows: [ids], threads })).data)
}

async function putAdapters(
  model: Handle,
  { modules, dropout, start }: LoraPlan,
  seed: number,
): Promise<void> {
  await runJob('attachAdapter', { model, adapters: modules, dropout, seed })
  if (start) await runJob('loadAdapter', { model, path: start.weights })
}

const stateFile = (folder: string) => `${folder}/state.safetensors`

function nativeBatch(packed: PackedRows, { reference }: TrainingData): PackedBatch {
  const batch = nativeRows(packed)
  return reference ? { ...batch, reference: packed.documents.map((number) => reference[number]!) } : batch
}

// From a folder, of the teacher, or random.
async function startingModel(plan: TrainPlan, { signal, warn }: OpenOptions): Promise<Handle> {
  const { config, spec, student, teacher } = plan
  const { threads, device } = config
  if (plan.model) {
    const { lora } = plan.trained
    const dtype = lora ? config.dtype : 'float32' // what is frozen needs no more than it computes with
    const { path: folder } = plan.model
    const onItem = warnOfUnread(folder, warn)
    const options = { folder, spec, dtype, device, threads, ...(lora && { in_float32: lora.also }) }
    return runJob('loadModel', options, { signal, onItem })
  }
  if (student?.initialize === 'teacher') {
    const model = await cutStudent(student, teacher!, { threads, signal, warn })
    await runJob('moveModel', { model, device, threads })
    return model
  }
  return runJob('initialiseModel', { spec, init: nativeInit(config), device, threads }, { signal })
}
