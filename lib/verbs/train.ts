/** Training: load -> plan -> run -> save -> report. The loop is training/session.ts, the step is native. */
import { checkOptions, type Kinds } from '../config/call_options'
import type { TrainConfig } from '../config/train'
import type { Environment } from '../distributed/rendezvous'
import type { Team } from '../distributed/team'
import { type DryRun, type FullRun, Run, type RunContext, type RunOptions, signalOf } from './run'
import { mayRollBack, rollbackTarget } from './training/anomalies'
import { type Checkpoint, Checkpoints, type SavedRun } from './training/checkpoints'
import { readTrainConfig } from './training/config'
import { writeCurves } from './training/curves'
import { checkRoom } from './training/disk_space'
import { type DryRunReport, dryRun } from './training/dry_run'
import { warnOfEnds } from './training/ends'
import { environment, inexactness } from './training/environment'
import { type Identity, identify, type RunInputs } from './training/identity'
import { checkMemory, memoryOf } from './training/memory_room'
import type { Metrics } from './training/metrics'
import { closeData, openInputs, planTraining, type TrainPlan } from './training/plan'
import { addReferences } from './training/preferences'
import { warnOfPruning } from './training/prune_schedule'
import { publish } from './training/publish'
import { reportOf, type TrainReport } from './training/report'
import { bestOf } from './training/result'
import { RunFolder } from './training/run_folder'
import { keepBest, resultKind } from './training/selection'
import { Session } from './training/session'
import { Speed } from './training/speed'
import type { PreparationProgress } from './training/starting_model'
import { keepTime, localTime, timeOf } from './training/template_time'
import { checkSameData, checkTeam, joinTeam, onDevice } from './training/together'
import { Trainer } from './training/trainer'

export type { DryRunReport, ShownBatch } from './training/dry_run'
export type { PerplexityReport } from './training/perplexity_report'
export type { TrainReport } from './training/report'
export type { PreparationProgress as TrainProgress } from './training/starting_model'

export interface TrainOptions {
  /** `key.path=value` pairs, set over the config. */
  overrides?: readonly string[] | undefined
  /** Check everything and return the plan; train nothing. */
  dryRun?: boolean | undefined
  /** As dryRun, with the first batch of training decoded: what is learnt of it, and where documents begin. */
  showBatch?: boolean | undefined
  /** Go on from the newest checkpoint, else start. */
  resume?: boolean | undefined
  /** Replace an earlier run. */
  overwrite?: boolean | undefined
  /** Saves a checkpoint, then rejects with its reason. */
  signal?: AbortSignal | undefined
  /** Hears of things that a human should know, such as a damaged checkpoint that was passed over. */
  onWarning?: ((message: string) => void) | undefined
  /** Hears of what was found that is no cause for worry: how well a model knows the data. */
  onNote?: ((message: string) => void) | undefined
  /** Hears of the work between updates and before them: held-out data, what a model says of the data. */
  onProgress?: ((progress: PreparationProgress) => void) | undefined
  /** Tells whether this process is one of several that train together (docs/distributed.md); default: process.env. */
  environment?: Environment | undefined
}

export const OPTIONS: Kinds<TrainOptions> = {
  overrides: 'any',
  dryRun: 'flag',
  showBatch: 'flag',
  resume: 'flag',
  overwrite: 'flag',
  signal: 'signal',
  onWarning: 'function',
  onNote: 'function',
  onProgress: 'function',
  environment: 'any',
}

/** One update, as metrics.jsonl has it, and how many there will be. */
export interface TrainStep extends Metrics {
  /** Updates of the whole run, as in the config. */
  steps: number
}

/** What a training ends with. */
export interface TrainResult<Report = TrainReport | DryRunReport> {
  /** The model folder, or for a dry run where it would be; the one trained on where `lora.merge` is false. */
  model: string
  /** Of a run with `lora`: its adapter, in PEFT's format. */
  adapter?: string
  /** As in report.json; of a dry run what is foretold. */
  report: Report
}

/** Late readers miss old steps, not new ones: metrics.jsonl has them all. */
const KEPT_STEPS = 1000

/** A training run: iterate over its steps, await its `result`. */
export class TrainRun<Report = TrainReport | DryRunReport> extends Run<TrainStep, TrainResult<Report>> {
  /** The newest checkpoint that this run has published or started from. */
  readonly latest: { checkpoint: Checkpoint | undefined }

  constructor(
    body: (context: TrainContext) => Promise<TrainResult<Report>>,
    { signal, capacity = KEPT_STEPS }: RunOptions = {},
  ) {
    const latest: TrainRun['latest'] = { checkpoint: undefined }
    super((emit, stop) => body({ emit, signal: stop, latest }), { signal, capacity })
    this.latest = latest
  }
}

/**
 * Trains in this process, as a YAML file or an object says (docs/train.md); own_process/train.ts has a process for it.
 * Same machine, build and config: the same bytes, also when it was stopped and resumed. Throws ERR_CONFIG, ERR_DATA, ERR_EXISTS, ERR_BUSY, ERR_NO_SPACE, ERR_OUT_OF_MEMORY,
 * ERR_NON_FINITE, ERR_SPIKE, ERR_DISTRIBUTED and what loading throws.
 */
export function train(
  config: string | object,
  options?: FullRun<TrainOptions> & { showBatch?: false | undefined },
): TrainRun<TrainReport>
/** What it would do: nothing is done. */
export function train(
  config: string | object,
  options: DryRun<TrainOptions> | (TrainOptions & { showBatch: true }),
): TrainRun<DryRunReport>
/** Either, as the options say. */
export function train(config: string | object, options?: TrainOptions): TrainRun
export function train(config: string | object, options: TrainOptions = {}): TrainRun {
  return new TrainRun((context) => runTraining(config, options, context), { signal: signalOf(options) })
}

/** What the body of a run is given. */
export interface TrainContext extends RunContext<TrainStep> {
  latest: TrainRun['latest']
}

async function runTraining(
  source: string | object,
  options: TrainOptions,
  context: TrainContext,
): Promise<TrainResult> {
  checkOptions('train', options, OPTIONS)
  const config = await readTrainConfig(source, options.overrides ?? [])
  if (options.dryRun || options.showBatch) return planOnly(config, options, context)
  const team = await joinTeam(config, options, context.signal)
  try {
    const result = await trainTogether(team, config, options, context)
    await team.leave()
    return result
  } catch (error) {
    await team.leave(error)
    throw error
  }
}

async function planOnly(
  config: TrainConfig,
  options: TrainOptions,
  context: TrainContext,
): Promise<TrainResult> {
  const folder = new RunFolder(config)
  await folder.check(claimOf(options)) // before anything is read, which may take long
  const inputs = await openInputs(config)
  const began = options.resume ? await timeOf(folder.path) : undefined
  const now = new Date(began ?? localTime())
  const report = await dryRun(config, inputs, { ...options, now, signal: context.signal })
  return { ...folder.places(inputs.model), report }
}

const claimOf = ({ resume = false, overwrite = false }: TrainOptions) => ({ resume, overwrite })

async function trainTogether(
  team: Team,
  config: TrainConfig,
  options: TrainOptions,
  context: TrainContext,
): Promise<TrainResult> {
  await checkTeam(team, config)
  const folder = new RunFolder(config)
  const claim = claimOf(options)
  await team.lead(() => folder.check(claim)) // before anything is read, which may take long
  const inputs = await openInputs(config)
  const identity = await team.lead(() => identify(config, inputs, context.signal))
  const told = team.leads ? options : {} // the others would say the same
  const { onWarning: warn = () => {}, onNote, onProgress } = told
  const emit = team.leads ? context.emit : () => {}
  const work = async (replaces: boolean) => {
    const job = { ...{ team, config: onDevice(team, config), inputs, identity, replaces }, ...context }
    const finished = claim.resume && (await team.lead(() => folder.result(identity.sha256)))
    if (!finished) return trainIn(folder, { ...job, warn, onNote, onProgress, emit })
    if (team.leads) await folder.writeReport(finished) // an end by force may have come before it
    return { ...folder.places(inputs.model), report: finished as TrainReport }
  }
  return folder.hold(warn, work, team)
}

interface Job extends TrainContext {
  team: Team
  config: TrainConfig
  inputs: RunInputs
  identity: Identity
  /** An earlier run in the folder has to go. */
  replaces: boolean
  warn: (message: string) => void
  onNote: TrainOptions['onNote']
  onProgress: TrainOptions['onProgress']
}

interface DatedJob extends Job {
  /** The local time of the run's first session. */
  began: string
}

async function trainIn(folder: RunFolder, job: Job): Promise<TrainResult> {
  const { team, config, identity, latest } = job
  const here = environment(config, team.size)
  const checkpoints = new Checkpoints(folder.path, {
    keep: config.checkpoint.keep,
    keepBest: keepBest(config),
    rollback: mayRollBack(config)
      ? { every: config.checkpoint.every, target: (step) => rollbackTarget(step, config) }
      : undefined,
    configHash: identity.sha256,
    environment: here,
  })
  const start = await team.lead(async () => (job.replaces ? undefined : await checkpoints.newest(job.warn)))
  latest.checkpoint = start // also for a signal that comes while the data are read
  const doubt = start && inexactness(start.environment, here)
  if (doubt) job.warn(doubt)
  const began = await team.lead(
    async () => (job.replaces ? undefined : await timeOf(folder.path)) ?? localTime(),
  )
  const plan = await team.first(() => planIn(folder, { ...job, began }, checkpoints))
  try {
    await checkSameData(team, plan)
    return await trainPlanned(folder, plan, { job, checkpoints, start })
  } finally {
    await closeData(plan)
  }
}

/** The plan, with all that is to be known and to lie in the folder before the first update. */
async function planIn(folder: RunFolder, job: DatedJob, checkpoints: Checkpoints): Promise<TrainPlan> {
  const { team, config, identity, signal, warn: onWarning, onNote, onProgress } = job
  // What a run has measured counts when it goes on, and for the others.
  const earlier = job.replaces && team.leads ? undefined : folder.path
  const now = new Date(job.began)
  const options = { identity, folder: earlier, signal, now, onWarning, onNote, onProgress }
  const plan = await planTraining(config, job.inputs, options)
  try {
    if (team.leads) await prepare(folder, plan, job, checkpoints)
    await addReferences(plan, identity, { folder: folder.path, signal, onProgress })
    return plan
  } catch (error) {
    await closeData(plan)
    throw error
  }
}

/** Once nothing speaks against the run, an earlier one goes and the folder becomes its own. */
async function prepare(
  folder: RunFolder,
  plan: TrainPlan,
  { replaces, warn, began }: DatedJob,
  checkpoints: Checkpoints,
): Promise<void> {
  await warnOfEnds(plan, warn)
  warnOfPruning(plan, warn)
  checkMemory(plan, warn, await memoryOf(plan.config.device))
  if (replaces) await folder.clear()
  await checkRoom(plan, checkpoints)
  await folder.writeConfig()
  if (plan.text?.template?.times.length) await keepTime(folder, began)
  await plan.perplexity?.keep(folder.path)
}

interface Beginning {
  job: Job
  checkpoints: Checkpoints
  start: SavedRun | undefined
}

async function trainPlanned(
  folder: RunFolder,
  plan: TrainPlan,
  { job, checkpoints, start }: Beginning,
): Promise<TrainResult> {
  const { team, config, signal, latest } = job
  const speed = await Speed.of(plan, signal, team.size)
  const trainer = await Trainer.open(plan, start?.path, { signal, warn: job.warn, team })
  const session = new Session({ team, plan, trainer, folder, checkpoints, speed }, start, {
    signal,
    emit: (metrics) => job.emit({ ...metrics, steps: config.steps }),
    onProgress: job.onProgress,
    warn: job.warn,
    onSaved: (checkpoint) => {
      latest.checkpoint = checkpoint
    },
  })
  try {
    await session.run()
    const { best, stopped } = await team.lead(async () => {
      const isBest = resultKind(config) === 'best'
      const best = isBest ? await bestOf(session.state, checkpoints, job.warn) : undefined
      return { best, stopped: best !== undefined && signal.aborted }
    })
    if (stopped) await session.stop() // the last weights are about to give way to the best
    const resumedFrom = start?.step
    return await team.lead(() => finish(folder, plan, { job, best, session, trainer, speed, resumedFrom }))
  } finally {
    trainer.dispose()
  }
}

interface Finish {
  job: Job
  /** A checkpoint that is better than the last weights. */
  best: Checkpoint | undefined
  session: Session
  trainer: Trainer
  speed: Speed
  resumedFrom: number | undefined
}

/** Publishes the result: of the last weights, or of a checkpoint that was better. */
async function finish(
  folder: RunFolder,
  plan: TrainPlan,
  { job, best, session, trainer, speed, resumedFrom }: Finish,
): Promise<TrainResult> {
  const { identity } = job
  if (best) await trainer.load(best.path)
  const resultStep = best ? best.step : session.state.step
  const masked = await trainer.masked()
  const report = reportOf(plan, session, { resumedFrom, identity, resultStep, speed, masked })
  // First: whoever is ended by force behind the model has everything.
  await writeCurves(folder, session).catch((error: Error) =>
    job.warn(`${folder.path}: the run is done, but curves.svg could not be drawn: ${error.message}`),
  )
  return await publish(folder, plan, { trainer, report, inputs: identity.inputs })
}
