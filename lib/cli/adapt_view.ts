// What an adaptation says while it works: a line a stage, and those of training between them.
import type { AdaptEvent, AdaptProgress } from '../index'
import { duration } from './progress'
import { TrainingView } from './training_view'
import type { Io } from './verb'

export class AdaptView {
  private view: TrainingView

  constructor(private readonly io: Pick<Io, 'progress' | 'say'>) {
    this.view = new TrainingView(io)
  }

  event(event: AdaptEvent): void {
    if (event.event === 'step') {
      const { event: _, ...step } = event // in a log each line says of which stage it is
      this.view.step(step)
      return
    }
    this.view = new TrainingView(this.io) // the next stage has a pace of its own
    const { progress } = this.io
    if (progress.live) progress.line(stageLine(event), { stays: true })
    else progress.log(event)
  }

  progress({ total, ...work }: AdaptProgress): void {
    this.view.progress({ ...work, total: total ?? 0 })
  }

  warning(message: string): void {
    this.view.warning(message)
  }
}

/** `stage 3 of 8, inscp-evaluate: done in 42 s`. */
export function stageLine({ step, stages, stage, seconds }: Extract<AdaptEvent, { event: 'stage' }>): string {
  return `stage ${step} of ${stages}, ${stage}: done in ${duration(seconds)}`
}
