/** The numbers at the end of a run. */
import type { MaskCounts } from '../../native'
import type { Anomaly } from './anomalies'
import type { Difference } from './difference'
import type { Identity } from './identity'
import type { LossParts } from './metrics'
import type { PerplexityReport } from './perplexity_report'
import { type PlanSummary, summarise, type TrainPlan } from './plan'
import { type MasksReport, masksReport, type PruningReport, pruningReport } from './prune_report'
import type { Session } from './session'
import { peakMemory, type Speed } from './speed'
import { type SessionFigures, totals } from './state'

/** The numbers of a training at its end, as report.json has them. */
export interface TrainReport {
  /** As in the config: cp, inscp, sft... */
  objective: string
  /** As in the config. */
  steps: number
  /** Updates done when eval.patience ended the run. */
  stopped_at?: number
  /** Updates behind the weights in model/. */
  result_step: number
  /** Mean over the last tenth of the updates. */
  loss: number
  /** distil: the same of what the loss is made of. */
  nll?: number
  /** Of `loss`, from the teacher. */
  divergence?: number
  /** Of `loss`, of hidden states. */
  hidden?: number
  /** On the held-out data, of the weights in model/. */
  eval_loss?: number
  /** The same by source of `eval.data`. */
  eval_losses?: Record<string, number>
  /** distil: what that one is made of. */
  eval_nll?: number
  /** Of `eval_loss`, from the teacher. */
  eval_divergence?: number
  /** Of `eval_loss`, of hidden states. */
  eval_hidden?: number
  /** Share of the last samples of the weights in model/ that ended by themselves. */
  stop_rate?: number
  /** The same before the first update. */
  stop_rate_before?: number
  /** On the held-out data, before the first update. */
  eval_loss_before?: number
  /** Over the whole run: of what was stopped and resumed, all sessions together. */
  tokens: number
  /** Of the whole run, all sessions together. */
  seconds: number
  /** `tokens` over `seconds`. */
  tokens_per_second: number
  /** Model FLOPs utilisation of the updates of the last session; evaluations and checkpoints do not count. */
  mfu: number
  /** On a GPU whose data sheet is known: the share of what that says. */
  peak_mfu?: number
  /** Floating-point operations of a place, forward and backward: what mfu is made of. */
  flops_per_token: number
  /** What mfu is a share of: measured by this process, before its first update. */
  matrix_flops_per_second: number
  /** Of this process so far. */
  peak_memory_bytes: number
  /** On a GPU: of tensors. */
  device_peak_memory_bytes?: number
  /** The step that a resumed run went on from. */
  resumed_from?: number
  /** Updates that were refused, and what was done; only where there were some. */
  anomalies?: Anomaly[]
  /** Of a run that prunes or keeps zeros: the weights in model/. */
  masks?: MasksReport
  /** Of a run that prunes. */
  pruning?: PruningReport
  /** Each start and resume. */
  sessions: SessionFigures[]
  /** Tells a finished run of this very config and these inputs from one of others. */
  config_sha256: string
  /** What was foretold; `dryRun` gives the same. */
  plan: PlanSummary
  /** inscp: of the training documents, under the model that the run starts from. */
  perplexity?: PerplexityReport
  /** Of a run with `lora` that merges: how far the merged model is from the model with its adapter. */
  drift?: Drift
}

export interface Drift {
  /** Of the merged weights, by their rounding. */
  weights: Difference
  /** On the first tokens of the training data. */
  logits: Difference
  logit_tokens: number
}

export interface Ending {
  resumedFrom: number | undefined
  resultStep: number
  identity: Identity
  speed: Speed
  /** Of the weights that become the result. */
  masked: MaskCounts
}

export function reportOf(
  plan: TrainPlan,
  { state, losses, lossParts }: Session,
  { resumedFrom, identity, resultStep, speed, masked }: Ending,
): TrainReport {
  const tenth = Math.ceil(losses.length / 10)
  const [first] = state.evaluations
  const { tokens, seconds } = totals(state)
  const chosen = state.evaluations.find(({ step }) => step === resultStep)
  return {
    objective: plan.config.objective,
    steps: plan.config.steps,
    ...(state.step < plan.config.steps && { stopped_at: state.step }),
    result_step: resultStep,
    loss: mean(losses.slice(-tenth)),
    ...meanParts(lossParts.slice(-tenth)),
    ...(chosen && { eval_loss: chosen.loss }),
    ...(chosen?.losses && { eval_losses: chosen.losses }),
    ...chosen?.figures,
    ...(chosen?.stop_rate !== undefined && { stop_rate: chosen.stop_rate }),
    ...(first?.step === 0 && { eval_loss_before: first.loss }),
    ...(first?.step === 0 && first.stop_rate !== undefined && { stop_rate_before: first.stop_rate }),
    tokens,
    seconds,
    tokens_per_second: tokens / seconds,
    ...speed.summary(),
    flops_per_token: speed.flopsPerToken,
    matrix_flops_per_second: speed.matrixRate,
    peak_memory_bytes: peakMemory(),
    ...(resumedFrom !== undefined && { resumed_from: resumedFrom }),
    ...(state.anomalies.length > 0 && { anomalies: state.anomalies }),
    ...masksReport(plan, masked),
    ...pruningReport(plan, state),
    sessions: state.sessions,
    config_sha256: identity.sha256,
    plan: summarise(plan),
    ...(plan.perplexity?.report && { perplexity: plan.perplexity.report }),
  }
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

/** Of those that every update has told. */
function meanParts(parts: readonly LossParts[]): Partial<Record<keyof LossParts, number>> {
  const means: Partial<Record<keyof LossParts, number>> = {}
  for (const key of ['nll', 'divergence', 'hidden'] as const) {
    const values = parts.map((part) => part[key])
    if (values.length > 0 && values.every((value) => value !== undefined)) means[key] = mean(values)
  }
  return means
}
