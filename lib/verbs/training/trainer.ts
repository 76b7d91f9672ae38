/** The native trainer behind a typed face: one update, one evaluation, one checkpoint a call. */
import { join } from 'node:path'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../../checkpoint/adapter_folder'
import { writeJson } from '../../checkpoint/write_folder'
import { optimizerChoice } from '../../config/optimizer'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import {
  type Handle,
  type LossSettings,
  type LossSums,
  native,
  type OptimizerSettings,
  type PackedBatch,
  runJob,
  type SamplingSettings,
  type StepOutcome,
} from '../../native'
import { objectives } from '../../text/objectives'
import { epochBatches, type PackedBatch as PackedRows, type RowSource } from '../../text/packing'
import { type GeneratedIds, generatedIds } from '../generate'
import { Batches } from './batches'
import type { StateWriter } from './checkpoints'
import type { TrainingData } from './data'
import type { TrainPlan } from './plan'
import { preferenceSettings } from './preferences'
import { learningRate } from './schedule'
import type { LoraPlan } from './trained'

const MAX_SHARD_BYTES = 5e9

export interface StepResult {
  /** Mean over the targets, before the update. */
  loss: number
  grad_norm: number
  lr: number
  /** Targets of the update. */
  tokens: number
  /** Places that are not padding: what throughput counts. */
  real_tokens: number
}

export class Trainer implements StateWriter {
  private readonly batches: Batches

  private constructor(
    private readonly plan: TrainPlan,
    private readonly model: Handle,
    private readonly handle: Handle,
  ) {
    const { batch_size: rows, accumulation, steps } = plan.config
    this.batches = new Batches(plan.data.rows, { rows, accumulation, steps })
  }

  /** Weights from the plan's model, or random; then all that training had changed from a checkpoint folder. */
  static async open(plan: TrainPlan, checkpoint: string | undefined, signal: AbortSignal): Promise<Trainer> {
    const { config, spec } = plan
    const { threads } = config
    const { lora, frozen } = plan.trained
    const folder = plan.model?.path
    const dtype = lora ? config.dtype : 'float32' // what is frozen needs no more than it computes with
    const model =
      folder !== undefined
        ? await runJob('loadModel', { folder, spec, dtype, threads }, { signal })
        : await runJob('initialiseModel', { spec, init: nativeInit(plan), threads }, { signal })
    if (lora) await putAdapters(model, lora, config.seed)
    const handle = await runJob('makeTrainer', {
      model,
      optimizer: optimizerSettings(config),
      loss: lossSettings(config),
      dtype: config.dtype,
      frozen,
      seed: config.seed,
      recompute_blocks: config.activation_checkpointing === 'block',
    })
    if (checkpoint !== undefined)
      await runJob('trainResume', { trainer: handle, path: stateFile(checkpoint) })
    return new Trainer(plan, model, handle)
  }

  /** Update number `step`, from 0. Its data are a function of the step, so resuming needs no cursor. */
  async step(step: number, signal: AbortSignal): Promise<StepResult> {
    const { config, data } = this.plan
    const batches = await this.batches.of(step)
    const lr = learningRate(config, step)
    const { clip, threads } = config
    const micro = batches.map((batch) => nativeBatch(batch, data))
    const options = { trainer: this.handle, batches: micro, lr, clip, step, threads }
    const outcome = await runJob('trainStep', options, { signal })
    const { taken, figures, ...result } = outcome
    if (!taken) throw nonFinite(outcome)
    const real_tokens = batches.reduce((sum, { tokens }) => sum + tokens, 0)
    return { ...result, lr, ...figures, real_tokens }
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

  /** Float32 weights and optimizer state: all that resuming needs besides the step. */
  async saveState(folder: string): Promise<void> {
    await runJob('trainSave', { trainer: this.handle, path: stateFile(folder) })
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

function nativeBatch(
  { ids, labels, segments, rows, documents }: PackedRows,
  { reference }: TrainingData,
): PackedBatch {
  const batch = { ids, labels, segments, rows }
  return reference ? { ...batch, reference: documents.map((number) => reference[number]!) } : batch
}

function optimizerSettings(config: TrainConfig): OptimizerSettings {
  const { decay, weight_decay, eps, ...own } = optimizerChoice(config.optimizer)
  const common = { weight_decay, eps, decay_all: decay === 'all' }
  if (own.kind === 'adafactor') {
    const { kind, beta1, decay_rate, clip_threshold } = own
    return { ...common, kind, beta1, decay_rate, clip_threshold }
  }
  const [beta1, beta2] = own.betas
  return { ...common, kind: own.kind, beta1, beta2 }
}

function lossSettings(config: TrainConfig): LossSettings {
  const { loss: kind } = objectives[config.objective]
  return kind === 'preference' ? { kind, preference: preferenceSettings(config) } : { kind }
}

function nonFinite({ loss, grad_norm }: StepOutcome): TongueforgeError {
  return new TongueforgeError(
    'ERR_NON_FINITE',
    `The loss is ${loss} and the gradient's norm ${grad_norm}; the step was not taken`,
    {
      hint: 'Lower optimizer.lr or set clip; check the data named in the last steps of metrics.jsonl.',
      details: { loss: String(loss), grad_norm: String(grad_norm) },
    },
  )
}

function nativeInit({ config }: TrainPlan): object {
  const how = config.init!.initialization
  return {
    seed: config.seed,
    embedding_std: how.embedding_std,
    matrix_std: how.matrix_std ?? (how.matrix_gain === undefined ? 0.02 : 0),
    matrix_gain: how.matrix_gain ?? 1,
    attention_output_gain: how.attention_output_gain,
    mlp_output_gain: how.mlp_output_gain,
    correlation: how.related_rows?.correlation ?? 0,
    related_rows: (how.related_rows?.pairs ?? []).map((pair) => Int32Array.from(pair)),
  }
}
