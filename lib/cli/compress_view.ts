// What compression says while it works: a line a stage, and those of training between them.
import type { CompressEvent, CompressProgress } from '../index'
import { bytes } from './progress'
import { TrainingView } from './training_view'
import type { Io } from './verb'

export class CompressView {
  private view: TrainingView

  constructor(private readonly io: Pick<Io, 'progress' | 'say'>) {
    this.view = new TrainingView(io)
  }

  event(event: CompressEvent): void {
    if (event.event === 'stage') {
      this.#stage(event)
      this.view = new TrainingView(this.io) // the next stage has a pace of its own
    } else {
      const { event: _, ...step } = event // in a log each line says of which stage it is
      this.view.step(step)
    }
  }

  progress(work: CompressProgress): void {
    this.view.progress(work)
  }

  warning(message: string): void {
    this.view.warning(message)
  }

  #stage(event: StageEvent): void {
    const { progress } = this.io
    if (progress.live) progress.line(stageLine(event), { stays: true })
    else progress.log(event)
  }
}

type StageEvent = Extract<CompressEvent, { event: 'stage' }>

/** `02-recover  1900000 parameters, 1200000 not zero  3.80 MB  perplexity 4.121`. */
export function stageLine({ stage, parameters: { total, nonzero }, bytes: size, perplexity }: StageEvent) {
  const zeros = nonzero === total ? '' : `, ${nonzero} not zero`
  const quality = perplexity === undefined ? '' : `  perplexity ${Number(perplexity.toPrecision(4))}`
  return `${stage}  ${total} parameters${zeros}  ${bytes(size)}${quality}`
}
