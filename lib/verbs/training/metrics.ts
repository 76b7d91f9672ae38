/** metrics.jsonl: one line an update, and after a resume none that the run took back. */
import { appendFile, readFile, rename, writeFile } from 'node:fs/promises'
import { writeFailed } from '../../checkpoint/json_file'
import { TongueforgeError } from '../../errors'
import type { SpeedFigures } from './speed'

/** One line of metrics.jsonl. */
export interface Metrics extends SpeedFigures {
  /** From 1. */
  step: number
  /** Mean over the targets, before the update. */
  loss: number
  /** Before clipping. */
  grad_norm: number
  lr: number
  /** Targets of the update. */
  tokens: number
  eval_loss?: number
  /** By source of eval.data. */
  eval_losses?: Record<string, number>
}

export class MetricsFile {
  constructor(private readonly path: string) {}

  record(metrics: Metrics): Promise<void> {
    return appendFile(this.path, line(metrics)).catch(writeFailed(this.path))
  }

  /** Reads the lines up to a step; what an interrupted run wrote after its last checkpoint is dropped. */
  async keep(step: number): Promise<Metrics[]> {
    const text = await readFile(this.path, 'utf8').catch(() => '')
    const kept = text
      .split('\n')
      .slice(0, -1)
      .map((row, i) => parse(row, `${this.path}:${i + 1}`))
      .filter((metrics) => metrics.step <= step)
    await this.write(kept)
    return kept
  }

  // By a rename: a run that is killed here loses none of them.
  async write(all: readonly Metrics[]): Promise<void> {
    const rewritten = `${this.path}.new`
    await writeFile(rewritten, all.map(line).join(''))
    await rename(rewritten, this.path)
  }
}

const line = (metrics: Metrics) => `${JSON.stringify(metrics)}\n`

function parse(text: string, place: string): Metrics {
  try {
    return JSON.parse(text) as Metrics
  } catch (cause) {
    throw new TongueforgeError(
      'ERR_DATA',
      `${place}: expected a line of metrics, received text that is not JSON`,
      {
        hint: 'Delete that line to go on, or start again with --overwrite.',
        details: { place },
        cause,
      },
    )
  }
}
