/** Verbs that can work in a process of their own. A row starts one there, and says what a run of it leaves. */
import { join } from 'node:path'
import { readYaml } from '../../config/parse'
import type { ConfiguredOptions, Run } from '../run'
import { type TrainOptions, type TrainRun, train } from '../train'
import type { Metrics } from '../training/metrics'
import { StepLines } from '../training/step_lines'
import type { Kept } from './events'

export type HostedVerb = 'train'

/** What goes to the other process of the options of a call; the others hear and stop it from outside. */
export type SentOptions = Pick<TrainOptions, 'overrides' | 'dryRun' | 'showBatch' | 'resume' | 'overwrite'>

export interface HostedOptions extends SentOptions, ConfiguredOptions<object> {
  onNote: (message: string) => void
}

interface Row {
  start(source: string | object, options: HostedOptions): Run<object, unknown>
  /** What the run could go on from now. */
  kept(run: Run<object, unknown>): Kept | undefined
  /** Items that sessions before this one have left in the folder, up to a step. */
  earlier(folder: string, before: number): Promise<object[]>
}

export const HOSTED: Record<HostedVerb, Row> = {
  train: {
    // Whoever started this process has seen that it is alone, in an environment that may be another than the inherited one.
    start: (source, options) => train(source, { ...options, environment: {} }),
    kept: (run) => (run as TrainRun).latest.checkpoint,
    async earlier(folder, before) {
      const all = await new StepLines<Metrics>(join(folder, 'metrics.jsonl'), 'metrics').read()
      const lines = all.filter(({ step }) => step < before)
      if (lines.length === 0) return []
      const { steps } = (await readYaml(join(folder, 'resolved.yaml'))) as { steps: number }
      return lines.map((line) => ({ ...line, steps }))
    },
  },
}
