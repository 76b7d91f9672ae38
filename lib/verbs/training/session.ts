/** The loop: updates, and what belongs to the step that each of them reaches. */
import type { TrainConfig } from '../../config/train'
import type { Checkpoint, Checkpoints, SavedRun } from './checkpoints'
import { checkSpace } from './disk_space'
import type { Metrics } from './metrics'
import { checkpointBytes, type TrainPlan } from './plan'
import type { RunFolder } from './run_folder'
import { newState, type RunState, type SessionFigures } from './state'
import type { Trainer } from './trainer'

/** Who watches a session, and can stop it. */
export interface Audience {
  emit: (metrics: Metrics) => void
  signal: AbortSignal
  onSaved: (checkpoint: Checkpoint) => void
}

export interface SessionParts {
  plan: TrainPlan
  trainer: Trainer
  folder: RunFolder
  checkpoints: Checkpoints
}

export class Session {
  readonly state: RunState
  /** Of all updates, those of earlier sessions included. */
  readonly losses: number[] = []
  private readonly config: TrainConfig
  private readonly figures: SessionFigures
  private readonly started = performance.now()
  private saved: number | undefined

  constructor(
    private readonly parts: SessionParts,
    start: SavedRun | undefined,
    private readonly audience: Audience,
  ) {
    this.config = parts.plan.config
    this.state = start?.state ?? newState()
    this.saved = start?.step
    this.figures = { first_step: this.state.step, steps: 0, tokens: 0, seconds: 0, tokens_per_second: 0 }
    this.state.sessions.push(this.figures)
  }

  /** Trains to the end. Stopped by the signal, it saves what was learned and rejects with the signal's reason. */
  async run(): Promise<void> {
    const { metrics } = this.parts.folder
    const earlier = await metrics.keep(this.state.step)
    this.losses.push(...earlier.map(({ loss }) => loss))
    try {
      // Step 0, or a step whose evaluation the signal interrupted: its line lacks the loss.
      const [loss] = await this.#evaluate()
      const last = earlier.at(-1)
      if (loss !== undefined && last)
        await metrics.write([...earlier.slice(0, -1), { ...last, eval_loss: loss }])
      while (this.state.step < this.config.steps) {
        const line = await this.#update()
        await this.#complete(line)
      }
    } catch (error) {
      // Stopped by the signal: the step was not taken, or taken whole.
      if (this.audience.signal.aborted) await this.#save()
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
    return { step: this.state.step, ...result, tokens_per_second: real_tokens / seconds }
  }

  // Evaluates, records and saves where it is time.
  async #complete(line: Metrics): Promise<void> {
    const { checkpoint, steps } = this.config
    try {
      const [loss] = await this.#evaluate()
      if (loss !== undefined) line.eval_loss = loss
    } finally {
      await this.parts.folder.metrics.record(line)
      this.audience.emit(line)
    }
    const { step } = this.state
    if (checkpoint.every > 0 && step % checkpoint.every === 0 && step < steps) await this.#save()
  }

  /** The held-out loss, if it is time for it and not known yet. */
  async #evaluate(): Promise<[] | [number]> {
    const { eval: evaluation, steps } = this.config
    const { held_out } = this.parts.plan
    const { step, evaluations } = this.state
    if (!evaluation || !held_out || evaluations.at(-1)?.step === step) return []
    if (step % evaluation.every !== 0 && step !== steps) return []
    const loss = await this.parts.trainer.evaluate(held_out.rows, this.audience.signal)
    evaluations.push({ step, loss })
    return [loss]
  }

  async #save(): Promise<void> {
    const { checkpoints, trainer, plan } = this.parts
    if (this.state.step === 0 || this.state.step === this.saved) return
    this.#count(0)
    await checkSpace(checkpoints.folder, checkpointBytes(plan.spec), 'a checkpoint')
    this.audience.onSaved(await checkpoints.save(trainer, this.state))
    this.saved = this.state.step
  }

  #count(tokens: number): void {
    const { figures } = this
    figures.steps = this.state.step - figures.first_step
    figures.tokens += tokens
    figures.seconds = (performance.now() - this.started) / 1000
    figures.tokens_per_second = figures.tokens / figures.seconds
  }
}
