/** The loop: updates, and what belongs to the step that each of them reaches. */
import type { TrainConfig } from '../../config/train'
import type { Team } from '../../distributed/team'
import { TongueforgeError } from '../../errors'
import { limitsOf, marksOf, mayRollBack, remember } from './anomalies'
import type { Checkpoint, Checkpoints, SavedRun } from './checkpoints'
import { evaluateHeldOut } from './held_out'
import { checkpointBytes } from './memory'
import type { LossParts, Metrics } from './metrics'
import type { TrainPlan } from './plan'
import { Pruner } from './pruner'
import { type EvaluationFigures, NO_RECORD, RunRecord } from './record'
import { type Refusal, recover } from './recovery'
import type { RunFolder } from './run_folder'
import { stopRate, takeSamples } from './samples'
import { Saver } from './saver'
import { byLoss, isExhausted, keepBest } from './selection'
import type { Speed } from './speed'
import type { PreparationProgress } from './starting_model'
import { newState, type RunState, type SessionFigures } from './state'
import type { StepResult, Trainer } from './trainer'

/** Who watches a session, and can stop it. */
export interface Audience {
  emit: (metrics: Metrics) => void
  /** Hears of updates that were refused. */
  warn: (message: string) => void
  signal: AbortSignal
  /** Hears of evaluations as they go on. */
  onProgress?: ((progress: PreparationProgress) => void) | undefined
  onSaved: (checkpoint: Checkpoint) => void
}

export interface SessionParts {
  /** All of them go through the same session; rank 0 alone evaluates, records and saves. */
  team: Team
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
  /** distil: what each of them is made of. */
  readonly lossParts: LossParts[] = []
  private readonly config: TrainConfig
  private readonly figures: SessionFigures
  private readonly started = performance.now()
  /** What the newest checkpoint knows: its step, and how many evaluations; undefined: there is none. */
  private saved: { step: number; evaluations: number } | undefined
  private newest: Checkpoint | undefined
  private readonly saver: Saver
  private readonly record: Pick<RunRecord, 'open' | 'update' | 'samples' | 'complete'>
  private readonly pruner: Pruner | undefined
  /** Of what processes do in step: none of them may leave it alone. They stop at an update, together. */
  private readonly lockstep: AbortSignal

  constructor(
    private readonly parts: SessionParts,
    start: SavedRun | undefined,
    private readonly audience: Audience,
  ) {
    this.config = parts.plan.config
    this.state = start?.state ?? newState()
    this.saved = start && { step: start.step, evaluations: this.state.evaluations.length }
    this.pruner = Pruner.of(parts.plan, parts.trainer, this.state)
    this.record = parts.team.leads ? new RunRecord(parts.folder, this.config) : NO_RECORD
    this.lockstep = parts.team.group ? new AbortController().signal : audience.signal
    this.saver = new Saver(parts.checkpoints, {
      async: this.config.checkpoint.async,
      bytes: checkpointBytes(parts.plan),
      onSaved: (checkpoint) => {
        this.newest = checkpoint
        audience.onSaved(checkpoint)
      },
    })
    this.figures = { first_step: this.state.step, steps: 0, tokens: 0, seconds: 0, tokens_per_second: 0 }
    this.state.sessions.push(this.figures)
  }

  /** Trains to the end. Stopped by the signal, it saves what was learned and rejects with the signal's reason. */
  async run(): Promise<void> {
    const earlier = await this.record.open(this.state)
    for (const line of earlier) this.#keep(line) // one by one: a call takes some 100,000 arguments
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
      const { team } = this.parts
      if (team.group ? team.stopped : this.audience.signal.aborted) {
        const isNew = await team.lead(async () => unwritten !== undefined || this.#hasLearned())
        if (isNew) await this.#save()
      }
      throw error
    } finally {
      this.#count(0)
    }
  }

  /** What a stop does after the last update: as in `run`, what was learned is saved, and it rejects. */
  async stop(): Promise<never> {
    const reason = this.#stopped()
    if (this.#hasLearned()) await this.#save()
    throw reason
  }

  // One update that is taken; what was refused before it, the policy has seen to.
  async #update(): Promise<Metrics> {
    const { state } = this
    for (;;) {
      const began = performance.now()
      await this.pruner?.beforeUpdate(this.lockstep)
      const { step, skipped_batches, recent } = state
      const limits = limitsOf(recent, this.config.anomaly)
      const update = { step, batch: step + skipped_batches, limits }
      const result = await this.parts.trainer.step(update, this.audience.signal)
      if (result.refused === 'stop') throw this.#stopped()
      if (result.refused !== '') await this.#recover({ result, limits })
      else return this.#take(result, (performance.now() - began) / 1000)
    }
  }

  // In all processes at once, whichever was told to.
  #stopped(): unknown {
    this.parts.team.stopped = true
    const { signal } = this.audience
    return signal.aborted
      ? signal.reason
      : new TongueforgeError('ERR_INTERRUPTED', 'stopped together with another process')
  }

  #take({ real_tokens, device, refused: _, ...result }: StepResult, seconds: number): Metrics {
    const { state, figures } = this
    state.step++ // from here on the weights are those of this step, whatever fails
    figures.steps++
    this.#count(real_tokens)
    this.#keep(result)
    remember(state.recent, result, this.config.anomaly)
    this.pruner?.taken(result.loss)
    const { step } = state
    return {
      step,
      ...result,
      ...this.parts.speed.figures(real_tokens, seconds, device),
      ...this.pruner?.figures(step),
      ...marksOf(state.anomalies, step),
    }
  }

  #keep({ loss, nll, divergence, hidden }: Pick<Metrics, 'loss' | keyof LossParts>): void {
    this.losses.push(loss)
    this.lossParts.push({ nll, divergence, hidden })
  }

  async #recover(refusal: Refusal): Promise<void> {
    const { team, plan, trainer, checkpoints } = this.parts
    await this.saver.settle()
    const run = {
      ...{ team, plan, trainer, checkpoints, state: this.state, warn: this.audience.warn },
      saveLearned: async () => {
        if (this.#hasLearned()) await this.#save()
      },
    }
    const { back_to } = await recover(run, refusal)
    if (back_to === undefined) return
    this.losses.length = this.lossParts.length = back_to
    await this.record.open(this.state)
    await this.#save() // with what this rollback leaves out
  }

  #isOver(): boolean {
    const { steps, eval: evaluation } = this.config
    const { step, evaluations } = this.state
    const counted = this.pruner?.settled(evaluations) ?? evaluations
    return step >= steps || isExhausted(counted, evaluation?.patience, evaluation?.min_delta ?? 0)
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
    const { team, plan, trainer } = this.parts
    const { held_out } = plan
    const { step, evaluations } = this.state
    if (!evaluation || !held_out || evaluations.at(-1)?.step === step) return undefined
    if (step % evaluation.every !== 0 && step !== steps) return undefined
    const measure = async () => ({
      ...(await evaluateHeldOut(trainer, held_out, this.audience)),
      sampled: await this.#sample(),
    })
    const { loss, losses, figures, sampled } = await team.lead(measure, this.audience)
    const named = Object.entries(figures).map(([name, value]) => [`eval_${name}`, value])
    const told = named.length > 0 && { figures: Object.fromEntries(named) }
    evaluations.push({ step, loss, losses, ...told, ...sampled, ...this.pruner?.mark })
    return { eval_loss: loss, eval_losses: losses, ...sampled, ...Object.fromEntries(named) }
  }

  async #sample(): Promise<{ stop_rate?: number }> {
    const { trainer, plan } = this.parts
    if (!plan.samples || !plan.text) return {}
    const { step } = this.state
    const samples = await takeSamples(trainer, plan.samples, plan.text, { ...this.audience, step })
    await this.record.samples(step, samples)
    return { stop_rate: stopRate(samples) }
  }

  // At the end there is no need: the weights become the result, or a better checkpoint does. The start is saved where
  // a rollback may go back to it.
  async #saveIfDue(): Promise<void> {
    const { step, evaluations } = this.state
    const known = this.saved?.step === step && this.saved.evaluations === evaluations.length
    if ((step === 0 && !mayRollBack(this.config)) || known || this.#isOver()) return
    const { every } = this.config.checkpoint
    if ((every > 0 && step % every === 0) || (await this.#isAmongBest())) await this.#save()
  }

  // Whether no more than keep_best others are better, of those whose checkpoint is there or on its way.
  async #isAmongBest(): Promise<boolean> {
    const { step, evaluations } = this.state
    const places = keepBest(this.config)
    if (places === 0 || evaluations.at(-1)?.step !== step) return false
    const { team, checkpoints } = this.parts
    return team.lead(async () => {
      let better = 0
      for (const one of byLoss(evaluations)) {
        if (one.step === step || better === places) break
        if (one.step === this.saved?.step || (await checkpoints.has(one.step))) better++
      }
      return better < places
    })
  }

  #hasLearned(): boolean {
    return this.state.step > (this.saved?.step ?? 0)
  }

  async #save(): Promise<void> {
    this.#count(0)
    const { team, trainer } = this.parts
    const save = async () => {
      await this.saver.save(trainer, this.state)
      if (this.audience.signal.aborted || team.stopped) await this.saver.settle()
      return this.newest
    }
    const newest = await team.lead(save, { meanwhile: () => trainer.sendState() })
    if (!team.leads && newest) this.audience.onSaved(newest)
    this.saved = { step: this.state.step, evaluations: this.state.evaluations.length }
  }

  #count(tokens: number): void {
    const { figures } = this
    figures.tokens += tokens
    figures.seconds = (performance.now() - this.started) / 1000
    figures.tokens_per_second = figures.tokens / figures.seconds
  }
}
