/** What an adaptation ends with. */
import type { EvaluationRow } from '../evaluating/report'
import type { Pick } from './pick'
import type { AdaptStage } from './records'

export interface AdaptedArm {
  name: string
  about: string
  /** The stage that left its model. */
  result: string
  /** Whether it was measured: what `only` and `skip` leave out need not be. */
  measured: boolean
}

export interface AdaptReport {
  schema: 'tongueforge.adapt/1'
  language: string
  chat: string
  base?: string
  arms: AdaptedArm[]
  /** Those that are done, in their order. */
  stages: AdaptStage[]
  /** Models are `start`, the arms by name, and `compressed`; differences are from the start. */
  results: EvaluationRow[]
  pick: Pick
  /** Model folder of the arm that won; absent where none could. */
  model?: string
  /** Model folder of the same, made smaller. */
  compressed?: string
  /** Stages that this session did; the others were there. */
  done: number
  /** Of this session. */
  seconds: number
  /** Of what model/ and its card are made of. */
  inputs_sha256: string
}
