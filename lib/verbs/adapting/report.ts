/** What an adaptation ends with. */
import type { AdaptConfig } from '../../config/adapt'
import type { EvaluationRow } from '../evaluating/report'
import type { Contest } from './contest'
import { hashOf } from './identity'
import { cutMeasure, type Pick } from './pick'
import type { AdaptStage } from './records'

export interface AdaptedArm {
  /** As in the config. */
  name: string
  /** What the arm does, in words. */
  about: string
  /** The stage that left its model. */
  result: string
  /** Whether it was measured: what `only` and `skip` leave out need not be. */
  measured: boolean
}

/** The numbers of an adaptation at its end: arms, stages, and the one that was picked by the stated rule. */
export interface AdaptReport {
  /** Of this report; another number where keys change their meaning. */
  schema: 'tongueforge.adapt/1'
  /** That was learnt. */
  language: string
  /** The model that began. */
  chat: string
  base?: string
  /** In the order of the config. */
  arms: AdaptedArm[]
  /** Those that are done, in their order. */
  stages: AdaptStage[]
  /** Which metric of a task counts: those of the rule, and of texts held out. The others go by what papers quote. */
  measures: Record<string, string>
  /** Models are `start`, the arms by name, and `compressed`; differences are from the start. */
  results: EvaluationRow[]
  /** Which arm was picked, and why. */
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

function measuresOf({ held_out, pick }: AdaptConfig): Record<string, string> {
  const rule = pick ? [...[pick.by].flat(), ...pick.require].reverse() : []
  const named = rule.map(({ measure }) => cutMeasure(measure)).filter(({ metric }) => metric !== undefined)
  return Object.fromEntries([
    ...Object.keys(held_out).map((name) => [name, 'byte_perplexity']),
    ...named.map(({ task, metric }) => [task, metric!]),
  ])
}

export async function reportOf(contest: Contest): Promise<AdaptReport> {
  const { plan, runner, folder, measured, isCompressed } = contest
  const { rows: results, pick, winner } = await contest.outcome()
  const { language, chat, base, card } = plan.read.config
  const made = [winner?.result, isCompressed ? 'compress' : undefined]
  const weights = made.map((name) => name && plan.identity.of(name))
  return {
    schema: 'tongueforge.adapt/1',
    ...{ language, chat, ...(base !== undefined && { base }) },
    arms: plan.arms.map((arm) => ({
      ...{ name: arm.name, about: arm.about, result: arm.result, measured: measured.includes(arm) },
    })),
    stages: plan.stages.flatMap(({ name }) => runner.record(name) ?? []),
    measures: measuresOf(plan.read.config),
    ...{ results, pick, ...(winner && { model: folder.model }) },
    ...(isCompressed && { compressed: folder.compressed }),
    ...{ done: runner.done, seconds: 0, inputs_sha256: hashOf({ weights, card, language, results, pick }) },
  }
}
