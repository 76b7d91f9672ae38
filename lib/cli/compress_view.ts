// What compression says while it works: a line a stage, and those of training between them.
import type { CompressEvent, CompressProgress } from '../index'
import { bytes } from './progress'
import { TrainingView } from './training_view'
import type { Io } from './verb'

export class CompressView {
  private training: { stage: string; view: TrainingView } | undefined

  constructor(private readonly io: Pick<Io, 'progress' | 'say'>) {}

  event(event: CompressEvent): void {
    const { progress } = this.io
    if (event.event === 'stage') {
      this.training = undefined
      if (progress.live) progress.line(stageLine(event), { stays: true })
      else progress.log(event)
      return
    }
    const { event: _, ...step } = event // in a log each line says of which stage it is
    if (this.training?.stage !== step.stage)
      this.training = { stage: step.stage, view: new TrainingView(this.io) }
    this.training.view.step(step)
  }

  progress(work: CompressProgress): void {
    if (this.training) this.training.view.progress(work)
    else this.io.progress.update(work)
  }

  warning(message: string): void {
    if (this.io.progress.live) this.io.say(message)
    else this.io.progress.log({ warning: message })
  }
}

/** `02-recover  1.9 M parameters, 1.2 M not zero  3.80 MB  perplexity 4.121`. */
function stageLine({ stage, parameters: { total, nonzero }, bytes: size, perplexity }: StageEvent): string {
  const zeros = nonzero === total ? '' : `, ${nonzero} not zero`
  const quality = perplexity === undefined ? '' : `  perplexity ${Number(perplexity.toPrecision(4))}`
  return `${stage}  ${total} parameters${zeros}  ${bytes(size)}${quality}`
}

type StageEvent = Extract<CompressEvent, { event: 'stage' }>
