/** What a run writes down of itself: metrics.jsonl and, where asked for, samples.jsonl and TensorBoard's events. */
import { join } from 'node:path'
import { toYaml } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { EventFile } from '../../report/tensorboard'
import type { Metrics } from './metrics'
import type { RunFolder } from './run_folder'
import type { Sample } from './samples'
import type { RunState } from './state'

/** Of a held-out evaluation, as a line of metrics.jsonl has them. */
export type EvaluationFigures = Pick<Metrics, 'eval_loss' | 'eval_losses' | 'stop_rate'>

/** Of a process that leaves it to another. */
export const NO_RECORD: Pick<RunRecord, 'open' | 'update' | 'samples' | 'complete'> = {
  open: async () => [],
  update: async () => {},
  samples: async () => {},
  complete: async () => {},
}

export class RunRecord {
  private kept: Metrics[] = []
  private events: EventFile | undefined

  constructor(
    private readonly folder: Pick<RunFolder, 'path' | 'metrics' | 'samples'>,
    private readonly config: TrainConfig,
  ) {}

  /** Takes back what an earlier session wrote of later updates; gives the lines that stay. */
  async open({ step, evaluations }: RunState): Promise<readonly Metrics[]> {
    this.kept = await this.folder.metrics.keep(step)
    await this.folder.samples.keep(evaluations.at(-1)?.step ?? -1) // those of an evaluation that was cut off come again
    if (this.config.tensorboard) {
      this.events = await EventFile.create(join(this.folder.path, 'tensorboard'), step === 0 ? 0 : step + 1)
      if (step === 0) await this.events.texts(0, { config: indented(toYaml(this.config)) })
    }
    return this.kept
  }

  /** Records an update, with what was measured after it. */
  async update(line: Metrics): Promise<void> {
    await this.folder.metrics.record(line)
    await this.events?.scalars(line.step, curvesOf(line))
  }

  async samples(step: number, samples: readonly Sample[]): Promise<void> {
    await this.folder.samples.record(...samples)
    const shown = samples.map((sample, i) => [`samples/${i + 1}`, markdownOf(sample)])
    await this.events?.texts(step, Object.fromEntries(shown))
  }

  /** Completes the last line of an opened record by what a signal had kept from it; step 0 has no line. */
  async complete(step: number, figures: EvaluationFigures): Promise<void> {
    const last = this.kept.at(-1)
    if (last) await this.folder.metrics.write([...this.kept.slice(0, -1), { ...last, ...figures }])
    await this.events?.scalars(step, curvesOf(figures))
  }
}

/** The figures of a line by tag: `train/loss`, `eval/loss`, `eval/losses/held_out.txt`. */
export function curvesOf(figures: Partial<Metrics>): Record<string, number> {
  const { step: _, ...named } = figures
  const curves = Object.entries(named).flatMap(([name, value]): [string, unknown][] => {
    const tag = tagOf(name)
    if (typeof value !== 'object') return [[tag, value]]
    return Object.entries(value).map(([part, number]) => [`${tag}/${part}`, number])
  })
  return Object.fromEntries(curves.filter((curve): curve is [string, number] => typeof curve[1] === 'number'))
}

function tagOf(name: string): string {
  if (name === 'stop_rate') return 'eval/stop_rate'
  return name.startsWith('eval_') ? `eval/${name.slice(5)}` : `train/${name}`
}

const markdownOf = ({ prompt, text, finish_reason, tokens }: Sample) =>
  `${indented(prompt)}\n\n${finish_reason}, ${tokens} tokens\n\n${indented(text)}`

/** As Markdown shows a text as it is. */
const indented = (text: string) => text.replace(/^/gm, '    ')
