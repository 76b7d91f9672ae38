/** What `probe` tells of its plan and of its result. */
import { resolve } from 'node:path'
import type { SpeechSpec } from '../../checkpoint/speech_config'
import type { OneProbe, ProbeConfig } from '../../config/probe'
import type { ProbeFigures } from './figures'
import { checkMemory } from './gather'
import { KINDS } from './kinds'
import { layersOf } from './layers'
import type { ProbePlan } from './plan'

/** Of what is heard, whether or not it has run. */
interface Heard {
  out: string
  dry_run: boolean
  model: string
  utterances: number
  /** Files that were left out, as `invalid: skip` says. */
  skipped: number
  seconds: number
  places: number
  /** Of the hidden states. */
  memory_bytes: number
}

export interface ForetoldProbe {
  name: string
  kind: OneProbe['kind']
  layers: number
  classes: number
  /** Utterances; of folds, of each. */
  train: number[]
  test: number
}

/** What --dry-run tells. */
export interface ProbePlanReport extends Heard {
  dry_run: true
  probes: ForetoldProbe[]
}

export interface ProbeReport extends Heard {
  dry_run: false
  /** In the order of the config. */
  probes: ProbeFigures[]
  /** Probes that an earlier run, which was stopped, had learned. */
  resumed: number
  seconds_taken: number
}

/** Throws ERR_OUT_OF_MEMORY, ERR_CONFIG for a layer that the model lacks. */
export function planReport({ out, model }: ProbeConfig, plan: ProbePlan, spec: SpeechSpec): ProbePlanReport {
  const { utterances, skipped, seconds, places } = plan
  return {
    ...{ out: resolve(out), dry_run: true, model: resolve(model) },
    ...{ utterances: utterances.length, skipped, seconds },
    places: places.reduce((sum, count) => sum + count, 0),
    memory_bytes: checkMemory(plan, spec),
    probes: plan.probes.map(({ config, classes, trains, test }) => ({
      ...{ name: config.name, kind: config.kind, layers: layersOf(config, spec).length },
      classes: classes.length - KINDS[config.kind].blanks,
      ...{ train: trains.map((train) => train.utterances.length), test: test.utterances.length },
    })),
  }
}

export const reportOf = (
  foretold: ProbePlanReport,
  result: Pick<ProbeReport, 'probes' | 'resumed' | 'seconds_taken'>,
): ProbeReport => ({ ...foretold, dry_run: false, ...result })
