/** The loop: updates, and what belongs to the step that each of them reaches. */
import type { TrainConfig } from '../../config/train'
import type { Checkpoint, Checkpoints, SavedRun } from './checkpoints'
import { evaluateHeldOut } from './held_out'
import { checkpointBytes } from './memory'
import type { Metrics } from './metrics'
import type { TrainPlan } from './plan'
import { type EvaluationFigures, RunRecord } from './record'
import type { RunFolder } from './run_folder'
import { stopRate, takeSamples } from './samples'
import { Saver } from './saver'
import { byLoss, isExhausted, keepBest } from './selection'
import type { Speed } from './speed'
import type { PreparationProgress } from './starting_model'
import { newState, type RunState, type SessionFigures } from './state'
import type { Trainer } from './trainer'

/** Who watches a session, and can stop it. */
export interface Audience {
  emit: (metrics: Metrics) => void
  signal: AbortSignal
  /** Hears of evaluations as they go on. */
  onProgress?: ((progress: PreparationProgress) => void) | undefined
  onSaved: (checkpoint: Checkpoint) => void
}

export interface SessionParts {
  plan: TrainPlan
  trainer: Trainer
  folder: RunFolder
  checkpoints: Checkpoints
  speed: Speed
}

export class Session {
  readonly state: RunState
  /** Of all updates, those of earlier sessions included. */
  readonly losses: number[] = []
  private readonly config: TrainConfig
  private readonly figures: SessionFigures
  private readonly started = performance.now()
  /** What the newest checkpoint knows: its step, and how many evaluations. */
  private saved: { step: number; evaluations: number }
  private readonly saver: Saver
  private readonly record: RunRecord

  constructor(
    private readonly parts: SessionParts,
    start: SavedRun | undefined,
    private readonly audience: Audience,
  ) {
    this.config = parts.plan.config
    this.state = start?.state ?? newState()
    this.saved = { step: this.state.step, evaluations: this.state.evaluations.length }
    this.record = new RunRecord(parts.folder, this.config)
    this.saver = new Saver(parts.checkpoints, {
      async: this.config.checkpoint.async,
      bytes: checkpointBytes(parts.plan),
      onSaved: audience.onSaved,
    })
    this.figures = { first_step: this.state.step, steps: 0, tokens: 0, seconds: 0, tokens_per_second: 0 }
    this.state.sessions.push(this.figures)
  }

  /** Trains to the end. Stopped by the signal, it saves what was learned and rejects with the signal's reason. */
  async run(): Promise<void> {
    const earlier = await this.record.open(this.state)
    this.losses.push(...earlier.map(({ loss }) => loss))
    try {
      // Step 0, or a step whose evaluation the signal interrupted: its line lacks the loss.
      const held_out = await this.#evaluate()
      if (held_out) await this.record.complete(this.state.step, held_out)
      await this.#saveIfDue()
      while (!this.#isOver()) {
        this.saver.check()
        const line = await this.#update()
        await this.#complete(line)
        await this.#saveIfDue()
      }
      await this.saver.settle()
    } catch (error) {
      const unwritten = await this.saver.settle().then(
        () => undefined,
        (failure: unknown) => ({ failure }),
      )
      // Stopped by the signal: the step was not taken, or taken whole.
      const learned = unwritten !== undefined || this.state.step > this.saved.step
      if (this.audience.signal.aborted && this.state.step > 0 && learned) await this.#save()
      throw error
    } finally {
      this.#count(0)
    }
  }

  async #update(): Promise<Metrics> {
    const began = performance.now()
    const { trainer } = this.parts
    const { real_tokens, ...result } = await trainer.step(this.state.step, this.audience.signal)
    const seconds = (performance.now() - began) / 1000
    this.state.step++ // from here on the weights are those of this step, whatever fails
    this.#count(real_tokens)
    this.losses.push(result.loss)
    return { step: this.state.step, ...result, ...this.parts.speed.figures(real_tokens, seconds) }
  }

  #isOver(): boolean {
    const { steps, eval: evaluation } = this.config
    const { step, evaluations } = this.state
    return step >= steps || isExhausted(evaluations, evaluation?.patience, evaluation?.min_delta ?? 0)
  }

  // Evaluates where it is time, and records the step.
  async #complete(line: Metrics): Promise<void> {
    try {
      Object.assign(line, await this.#evaluate())
    } finally {
      await this.record.update(line)
      this.audience.emit(line)
    }
  }

  /** The held-out loss and its figures, if it is time for them and they are not known yet. */
  async #evaluate(): Promise<EvaluationFigures | undefined> {
    const { eval: evaluation, steps } = this.config
    const { held_out } = this.parts.plan
    const { step, evaluations } = this.state
    if (!evaluation || !held_out || evaluations.at(-1)?.step === step) return undefined
    if (step % evaluation.every !== 0 && step !== steps) return undefined
    const { loss, losses, figures } = await evaluateHeldOut(this.parts.trainer, held_out, this.audience)
    const sampled = await this.#sample()
    evaluations.push({ step, loss, losses, ...sampled })
    const named = Object.entries(figures).map(([name, value]) => [`eval_${name}`, value])
    return { eval_loss: loss, eval_losses: losses, ...sampled, ...Object.fromEntries(named) }
  }

  async #sample(): Promise<{ stop_rate?: number }> {
    const { trainer, plan } = this.parts
    if (!plan.samples) return {}
    const { step } = this.state
    const samples = await takeSamples(trainer, plan.samples, plan.text, { ...this.audience, step })
    await this.record.samples(step, samples)
    return { stop_rate: stopRate(samples) }
  }

  // At the end there is no need: the weights become the result, or a better checkpoint does.
  async #saveIfDue(): Promise<void> {
    const { step, evaluations } = this.state
    const known = this.saved.step === step && this.saved.evaluations === evaluations.length
    if (step === 0 || known || this.#isOver()) return
    const { every } = this.config.checkpoint
    const best = byLoss(evaluations).slice(0, keepBest(this.config))
    if ((every > 0 && step % every === 0) || best.some((one) => one.step === step)) await this.#save()
  }

  async #save(): Promise<void> {
    this.#count(0)
    await this.saver.save(this.parts.trainer, this.state)
    if (this.audience.signal.aborted) await this.saver.settle()
    this.saved = { step: this.state.step, evaluations: this.state.evaluations.length }
  }

  #count(tokens: number): void {
    const { figures } = this
    figures.steps = this.state.step - figures.first_step
    figures.tokens += tokens
    figures.seconds = (performance.now() - this.started) / 1000
    figures.tokens_per_second = figures.tokens / figures.seconds
  }
}
