// What training says while it works: on a terminal one live line, of which those with an evaluation stay; elsewhere a
// line of JSON for each update, piece of preparation and warning.
import type { TrainProgress, TrainStep } from '../index'
import { bytes, duration, LOG_PACE } from './progress'
import type { Io } from './verb'

export class TrainingView {
  private first: { step: number; time: number } | undefined
  private logged: { label: string; time: number } | undefined

  constructor(private readonly io: Pick<Io, 'progress' | 'say'>) {}

  step(step: TrainStep): void {
    const { progress } = this.io
    const secondsToGo = this.#secondsToGo(step)
    if (!progress.live) {
      progress.log({ ...step, ...(secondsToGo !== undefined && { seconds_to_go: Math.round(secondsToGo) }) })
      return
    }
    const stays = step.eval_loss !== undefined || step.step === step.steps
    progress.line(stepLine(step, secondsToGo, progress.columns), { stays })
  }

  preparing(work: TrainProgress): void {
    const { progress } = this.io
    if (progress.live) progress.update(work)
    else if (this.#isDue(work)) progress.log({ preparing: work.label, done: work.done, total: work.total })
  }

  warning(message: string): void {
    if (this.io.progress.live) this.io.say(message)
    else this.io.progress.log({ warning: message })
  }

  // In a log: when it begins, when it ends, and every ten seconds.
  #isDue({ label, done, total }: TrainProgress): boolean {
    const now = performance.now()
    const due = label !== this.logged?.label || done === total || now - this.logged.time >= LOG_PACE
    if (due) this.logged = { label, time: now }
    return due
  }

  // At the pace since the first update that this process has made: evaluations and checkpoints count, loading does not.
  #secondsToGo({ step, steps }: TrainStep): number | undefined {
    this.first ??= { step, time: performance.now() }
    const done = step - this.first.step
    if (done === 0) return undefined
    return (((performance.now() - this.first.time) / done) * (steps - step)) / 1000
  }
}

/** The live line. What matters least is left out until it fits. */
export function stepLine(step: TrainStep, secondsToGo: number | undefined, columns: number): string {
  const parts = partsOf(step, secondsToGo).filter(({ text }) => text !== '')
  const line = () => parts.map(({ text }) => text).join('  ')
  while (line().length >= columns && parts.length > 2) {
    const least = parts.reduce((a, b) => (b.weight < a.weight ? b : a))
    parts.splice(parts.indexOf(least), 1)
  }
  return line()
}

function partsOf(step: TrainStep, secondsToGo: number | undefined): { text: string; weight: number }[] {
  const { loss, eval_loss, mfu, memory_bytes } = step
  const toGo = secondsToGo === undefined || step.step === step.steps ? '' : `${duration(secondsToGo)} to go`
  return [
    { text: `step ${step.step}/${step.steps}`, weight: 9 },
    { text: `loss ${loss.toFixed(4)}`, weight: 8 },
    { text: eval_loss === undefined ? '' : `held out ${eval_loss.toFixed(4)}`, weight: 7 },
    { text: `${short(step.tokens_per_second)} tok/s`, weight: 4 },
    { text: padding(step), weight: 0 },
    { text: `MFU ${percent(mfu)}`, weight: 2 },
    { text: bytes(memory_bytes), weight: 1 },
    { text: toGo, weight: 5 },
  ]
}

function padding({ tokens_per_second: real, padded_tokens_per_second: all }: TrainStep): string {
  return short(real) === short(all) ? '' : `(padded ${short(all)})`
}

function percent(share: number): string {
  return `${share < 0.1 && share > 0 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`
}

/** `950`, `9.3k`, `101k`, `1.2M`. */
export function short(count: number): string {
  if (count < 999.5) return String(Math.round(count))
  if (count < 99_950) return `${(count / 1000).toFixed(1)}k`
  return count < 999_500 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toFixed(1)}M`
}
