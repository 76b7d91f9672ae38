/** Training: load -> plan -> run -> save -> report. The loop is here, the step is native. */
import type { TrainConfig } from '../config/train'
import { Run } from './run'
import { type Checkpoint, Checkpoints } from './training/checkpoints'
import { type PlanSummary, planTraining, readTrainConfig, summarise, type TrainPlan } from './training/plan'
import { configHash, type Metrics, RunFolder } from './training/run_folder'
import { Trainer } from './training/trainer'

export interface TrainOptions {
  /** `key.path=value` pairs, set over the config. */
  overrides?: readonly string[] | undefined
  /** Check everything and return the plan; train nothing. */
  dryRun?: boolean | undefined
  /** Go on from the newest checkpoint, else start. */
  resume?: boolean | undefined
  /** Replace an earlier run. */
  overwrite?: boolean | undefined
  /** Saves a checkpoint, then rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Hears of things that a human should know, such as a damaged checkpoint that was passed over. */
  onWarning?: ((message: string) => void) | undefined
}

/** One update, as metrics.jsonl has it, and how many there will be. */
export interface TrainStep extends Metrics {
  steps: number
}

export interface TrainReport {
  objective: string
  steps: number
  /** Mean over the last tenth of the updates. */
  loss: number
  eval_loss?: number
  eval_loss_before?: number
  tokens: number
  seconds: number
  tokens_per_second: number
  resumed_from?: number
  /** Tells a finished run of this very config from one of another. */
  config_sha256: string
  plan: PlanSummary
}

export interface TrainResult {
  /** The model folder, or for a dry run where it would be. */
  model: string
  report: TrainReport | { dry_run: true; plan: PlanSummary }
}

/** Late readers miss old steps, not new ones: metrics.jsonl has them all. */
const KEPT_STEPS = 1000

/** A training run: iterate over its steps, await its `result`. */
export class TrainRun extends Run<TrainStep, TrainResult> {
  /** The newest checkpoint that this run has published or started from. */
  readonly latest: { checkpoint: Checkpoint | undefined }

  constructor(source: string | object, options: TrainOptions) {
    const latest: TrainRun['latest'] = { checkpoint: undefined }
    super((emit, signal) => runTraining(source, options, { emit, signal, latest }), {
      signal: options.signal,
      capacity: KEPT_STEPS,
    })
    this.latest = latest
  }
}

/**
 * Trains as a YAML file or an object says (docs/train.md). Same machine, build and config: the same bytes, also when
 * it was stopped and resumed. Throws ERR_CONFIG, ERR_DATA, ERR_EXISTS, ERR_NON_FINITE and what loading throws.
 */
export function train(config: string | object, options: TrainOptions = {}): TrainRun {
  return new TrainRun(config, options)
}

interface Context {
  emit: (step: TrainStep) => void
  signal: AbortSignal
  latest: TrainRun['latest']
}

async function runTraining(
  source: string | object,
  options: TrainOptions,
  context: Context,
): Promise<TrainResult> {
  const config = await readTrainConfig(source, options.overrides ?? [])
  const folder = new RunFolder(config)
  const finished = options.resume && !options.dryRun && (await folder.result())
  if (finished) {
    await folder.writeReport(finished) // an end by force may have come before it
    return { model: folder.model, report: finished as TrainReport }
  }
  const claim = { resume: options.resume ?? false, overwrite: options.overwrite ?? false }
  await folder.check(claim) // before the data are read, which may take long
  const plan = await planTraining(config, context.signal)
  if (options.dryRun) return { model: folder.model, report: { dry_run: true, plan: summarise(plan) } }
  await folder.claim(claim)

  const checkpoints = new Checkpoints(folder.path, config.checkpoint.keep, configHash(config))
  const warn = (path: string, reason: string) =>
    options.onWarning?.(`${path} is damaged and was passed over: ${reason}`)
  const start = await checkpoints.newest(warn)
  context.latest.checkpoint = start
  await folder.writeConfig()
  const trainer = await Trainer.open(plan, start?.path, context.signal)
  try {
    const session = new Session(plan, trainer, folder, checkpoints, context)
    const report = await session.run(start?.step ?? 0)
    await folder.finish(plan, trainer, report)
    return { model: folder.model, report }
  } finally {
    trainer.dispose()
  }
}

/** The loop and what it counts. */
class Session {
  private readonly config: TrainConfig
  private readonly started = performance.now()
  private losses: number[] = []
  private tokens = 0
  private evaluations: number[] = []

  constructor(
    private readonly plan: TrainPlan,
    private readonly trainer: Trainer,
    private readonly folder: RunFolder,
    private readonly checkpoints: Checkpoints,
    private readonly context: Context,
  ) {
    this.config = plan.config
  }

  async run(first: number): Promise<TrainReport> {
    const { steps, checkpoint } = this.config
    const earlier = await this.folder.keepMetrics(first)
    this.losses = earlier.map(({ loss }) => loss)
    this.evaluations = earlier.flatMap(({ eval_loss }) => eval_loss ?? [])
    if (first === 0) await this.#evaluate()
    let done = first
    try {
      while (done < steps) {
        const metrics = await this.#update(done)
        done++ // from here on the weights are those of this step, whatever fails
        await this.#record(metrics)
        if (checkpoint.every > 0 && done % checkpoint.every === 0 && done < steps) await this.#save(done)
      }
    } catch (error) {
      // Stopped by the signal: the step was not taken, or taken whole.
      if (this.context.signal.aborted && done > first) await this.#save(done)
      throw error
    }
    return this.#report(first)
  }

  async #update(step: number): Promise<Metrics> {
    const began = performance.now()
    const { real_tokens, ...result } = await this.trainer.step(step, this.context.signal)
    const seconds = (performance.now() - began) / 1000
    this.tokens += real_tokens
    this.losses.push(result.loss)
    return { step: step + 1, ...result, tokens_per_second: real_tokens / seconds }
  }

  async #record(metrics: Metrics): Promise<void> {
    try {
      if (this.#evaluatesAt(metrics.step)) metrics.eval_loss = (await this.#evaluate())!
    } finally {
      await this.folder.record(metrics)
      this.context.emit({ ...metrics, steps: this.config.steps })
    }
  }

  #evaluatesAt(done: number): boolean {
    const { eval: evaluation, steps } = this.config
    return evaluation !== undefined && (done % evaluation.every === 0 || done === steps)
  }

  async #evaluate(): Promise<number | undefined> {
    if (!this.plan.held_out) return undefined
    const loss = await this.trainer.evaluate(this.plan.held_out.rows, this.context.signal)
    this.evaluations.push(loss)
    return loss
  }

  async #save(done: number): Promise<void> {
    this.context.latest.checkpoint = await this.checkpoints.save(this.trainer, done)
  }

  #report(first: number): TrainReport {
    const tail = this.losses.slice(-Math.ceil(this.losses.length / 10))
    const seconds = (performance.now() - this.started) / 1000
    return {
      objective: this.config.objective,
      steps: this.config.steps,
      loss: tail.reduce((sum, loss) => sum + loss, 0) / tail.length,
      ...(this.evaluations.length > 0 && { eval_loss: this.evaluations.at(-1)! }),
      ...(this.evaluations.length > 1 && first === 0 && { eval_loss_before: this.evaluations[0]! }),
      tokens: this.tokens,
      seconds,
      tokens_per_second: this.tokens / seconds,
      ...(first > 0 && { resumed_from: first }),
      config_sha256: configHash(this.config),
      plan: summarise(this.plan),
    }
  }
}
