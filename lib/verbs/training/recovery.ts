/** Going on after an update that was refused: its batch is left out, the run goes back, or it ends. */
import type { Team } from '../../distributed/team'
import { TongueforgeError } from '../../errors'
import {
  type Anomaly,
  type AnomalyKind,
  decide,
  type Limits,
  rollbackSkip,
  rollbackTarget,
} from './anomalies'
import type { Checkpoints, SavedRun } from './checkpoints'
import type { TrainPlan } from './plan'
import type { RunState } from './state'
import type { StepResult, Trainer } from './trainer'

export interface Recoverable {
  team: Team
  plan: TrainPlan
  trainer: Trainer
  checkpoints: Checkpoints
  state: RunState
  warn: (message: string) => void
  /** Saves what was learned, if no checkpoint has it. */
  saveLearned: () => Promise<void>
}

/** An update that the trainer did not take. */
export interface Refusal {
  result: StepResult
  limits: Limits
}

/**
 * Changes state, and for a rollback weights and checkpoints, so that the next update can be tried. Throws
 * ERR_NON_FINITE or ERR_SPIKE where the run is to end; what was learned is saved then.
 */
export async function recover(run: Recoverable, refusal: Refusal): Promise<Anomaly> {
  const { plan, state, warn } = run
  const decision = decide(kindOf(refusal), state, plan.config.anomaly)
  const where = await describe(run, refusal)
  if (decision.action === 'stop') {
    await run.saveLearned()
    throw stopped(run, refusal, [where, ...(decision.reason ? [decision.reason] : [])].join('; '))
  }
  const met = { ...record(refusal, state), action: decision.action }
  if (decision.action === 'rollback') {
    const to = await rollBack(run, met)
    warn(`${where}; back to step ${to}, and ${rollbackSkip(plan.config)} batches are left out`)
  } else {
    state.skipped_batches++
    state.anomalies.push(met)
    warn(`${where}; the batch is left out`)
  }
  return state.anomalies.at(-1)!
}

/**
 * Newer checkpoints go first: a run that is killed in here finds an older one, and comes to the same update again.
 * What is saved of data and sessions is kept, as it is of the way here.
 */
async function rollBack(run: Recoverable, met: Anomaly): Promise<number> {
  const { team, plan, trainer, checkpoints, state, warn } = run
  const target = await team.lead(async () => {
    const found = await checkpoints.nearest(rollbackTarget(state.step, plan.config), warn)
    if (!found) throw nowhere(checkpoints.folder)
    await checkpoints.discardAfter(found.step)
    return found
  })
  await trainer.load(target.path)
  Object.assign(state, backAt(target, state))
  state.skipped_batches += rollbackSkip(plan.config)
  state.anomalies.push({ ...met, back_to: target.step })
  return target.step
}

const backAt = ({ state }: SavedRun, { sessions, skipped_batches, anomalies }: RunState): RunState => ({
  ...state,
  sessions,
  skipped_batches,
  anomalies,
})

function record({ result, limits }: Refusal, { step, skipped_batches }: RunState) {
  return {
    kind: kindOf({ result }),
    step: step + 1,
    batch: step + skipped_batches,
    loss: inJson(result.loss),
    grad_norm: inJson(result.grad_norm),
    ...(result.refused === 'spike' && limits),
  }
}

const inJson = (value: number) => (Number.isFinite(value) ? value : String(value))
const kindOf = ({ result }: Pick<Refusal, 'result'>): AnomalyKind =>
  result.refused === 'spike' ? 'spike' : 'non_finite'

async function describe({ trainer, state }: Recoverable, { result, limits }: Refusal): Promise<string> {
  const { loss_limit, grad_norm_limit } = result.refused === 'spike' ? limits : {}
  const above = (limit: number | undefined) => (limit === undefined ? '' : ` (limit ${limit.toPrecision(4)})`)
  const figures =
    `the loss is ${result.loss}${above(loss_limit)} and the gradient's norm ` +
    `${result.grad_norm}${above(grad_norm_limit)}; the update was not taken`
  const batch = state.step + state.skipped_batches
  const rows = (await trainer.beginnings(batch)).map((text) => JSON.stringify(text)).join(', ')
  return `update ${state.step + 1}: ${figures}. Rows of batch ${batch} begin: ${rows}`
}

function stopped({ plan, state }: Recoverable, { result }: Refusal, message: string): TongueforgeError {
  const { step, skipped_batches } = state
  const kind = kindOf({ result })
  const { anomaly } = plan.config
  const way = anomaly[kind] === 'skip' ? `max_skips=${2 * anomaly.max_skips + 1}` : `${kind}=skip`
  const saved =
    step > 0 ? `What was learned is saved: --resume anomaly.${way} goes on without this batch. ` : ''
  return new TongueforgeError(kind === 'spike' ? 'ERR_SPIKE' : 'ERR_NON_FINITE', message, {
    hint: `${saved}Lower optimizer.lr, set clip, or clean the data; docs/train.md says more.`,
    details: {
      step: step + 1,
      batch: step + skipped_batches,
      loss: String(result.loss),
      grad_norm: String(result.grad_norm),
      ...(step > 0 && { saved_step: step }),
    },
  })
}

function nowhere(folder: string): TongueforgeError {
  return new TongueforgeError(
    'ERR_CHECKPOINT',
    `${folder}: expected a checkpoint to go back to, found none`,
    {
      hint: 'Start again with --overwrite, or resume with anomaly.non_finite=skip.',
      details: { path: folder },
    },
  )
}
