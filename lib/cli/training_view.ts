// What training says while it works: on a terminal one live line, of which those with an evaluation stay; elsewhere a
// line of JSON for each update, each warning and note, and now and then of work that takes long.
import type { TrainProgress, TrainStep } from '../index'
import { bytes, duration, LOG_PACE } from './progress'
import type { Io } from './verb'

export class TrainingView {
  private first: { step: number; time: number } | undefined
  private latest = 0
  private working: { label: string; time: number } | undefined

  constructor(private readonly io: Pick<Io, 'progress' | 'say'>) {}

  step(step: TrainStep): void {
    const { progress } = this.io
    this.working = undefined
    const secondsToGo = this.#secondsToGo(step)
    if (!progress.live) {
      progress.log({ ...step, ...(secondsToGo !== undefined && { seconds_to_go: Math.round(secondsToGo) }) })
      return
    }
    const stays = step.eval_loss !== undefined || step.step === step.steps
    progress.line(stepLine(step, secondsToGo, progress.columns), { stays })
  }

  progress(work: TrainProgress): void {
    const { progress } = this.io
    const { label, done, total } = work
    if (!progress.live) {
      if (this.#isDue(label)) progress.log({ progress: label, done, total })
    } else if (this.first === undefined) progress.update(work)
    else progress.line(`${label}  ${done} of ${total}`) // where the steps are
  }

  warning(message: string): void {
    if (this.io.progress.live) this.io.say(message)
    else this.io.progress.log({ warning: message })
  }

  note(message: string): void {
    if (this.io.progress.live) this.io.say(message)
    else this.io.progress.log({ note: message })
  }

  // In a log every ten seconds: short work leaves none.
  #isDue(label: string): boolean {
    const now = performance.now()
    const goesOn = label === this.working?.label
    const due = goesOn && now - this.working!.time >= LOG_PACE
    if (due || !goesOn) this.working = { label, time: now }
    return due
  }

  // At the pace since the first update that this process has made, or since a rollback: evaluations and checkpoints
  // count, loading does not.
  #secondsToGo({ step, steps }: TrainStep): number | undefined {
    if (this.first === undefined || step <= this.latest) this.first = { step, time: performance.now() }
    this.latest = step
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
  const { loss, eval_loss, stop_rate, sparsity, mfu, memory_bytes } = step
  const toGo = secondsToGo === undefined || step.step === step.steps ? '' : `${duration(secondsToGo)} to go`
  return [
    { text: `step ${step.step}/${step.steps}`, weight: 9 },
    { text: `loss ${loss.toFixed(4)}`, weight: 8 },
    { text: eval_loss === undefined ? '' : `held out ${eval_loss.toFixed(4)}`, weight: 7 },
    { text: stop_rate === undefined ? '' : `stops ${percent(stop_rate)}`, weight: 6 },
    { text: sparsity ? `${percent(sparsity)} zeros` : '', weight: 3 },
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

/** `950`, `9.3k`, `101k`, `1.2M`, `4.1G`. */
export function short(count: number): string {
  if (count < 999.5) return String(Math.round(count))
  if (count < 99_950) return `${(count / 1000).toFixed(1)}k`
  if (count < 999_500) return `${Math.round(count / 1000)}k`
  return count < 999_500_000 ? `${(count / 1e6).toFixed(1)}M` : `${(count / 1e9).toFixed(1)}G`
}
