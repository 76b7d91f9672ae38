/**
 * The whole job of the papers: load -> plan -> run -> save -> report. A chat model learns a language in several ways
 * (config/adapt/arms.ts), all are measured as the start was, a stated rule picks one. Stages are other verbs.
 */
import { join } from 'node:path'
import { chooseTasks } from '../tasks/registry'
import { dataCacheFolder } from '../text/cache/place'
import { checkAdaptation } from './adapting/checks'
import { type ReadConfig, readAdaptConfig, withModels } from './adapting/config'
import { type AdaptPlan, Contest } from './adapting/contest'
import { AdaptFolder } from './adapting/folder'
import { type AdaptPlanReport, foretell } from './adapting/foretell'
import { Identity } from './adapting/identity'
import { checkNeeds, type NeededStage } from './adapting/needs'
import { planStages } from './adapting/plan'
import { publish } from './adapting/publish'
import { type AdaptReport, reportOf } from './adapting/report'
import { type AdaptEvent, type AdaptProgress, type Session, StageRunner } from './adapting/run'
import { writeTextTasks } from './adapting/texts'
import { report } from './report'
import {
  type ConfiguredOptions,
  type DryRun,
  type FullRun,
  RESUMABLE,
  type Run,
  type RunContext,
  startRun,
} from './run'

export type { AdaptPlanReport, ForetoldAdaptStage } from './adapting/foretell'
export type { Candidate, Pick } from './adapting/pick'
export type { AdaptStage } from './adapting/records'
export type { AdaptedArm, AdaptReport } from './adapting/report'
export type { AdaptEvent, AdaptProgress } from './adapting/run'

export interface AdaptOptions extends ConfiguredOptions<AdaptProgress> {
  /** Called where a run that is stopped has left something to go on with. */
  onKept?: (() => void) | undefined
}

/** An adaptation: iterate over its events, await its `result`. */
export type AdaptRun<Report = AdaptReport | AdaptPlanReport> = Run<AdaptEvent, Report>

/**
 * Adapts a chat model to a language as a YAML file or an object says (docs/adapt.md). Same machine, build and config: the
 * same bytes, also when it was stopped and resumed. Iterate over the events, await `result`; where no arm can win,
 * `picked` is null and there is no model. Throws ERR_CONFIG that names the arm, ERR_DATA, ERR_TEMPLATE, ERR_EXISTS,
 * ERR_BUSY, ERR_NO_SPACE, and what the verbs of its stages throw.
 */
export function adapt(config: string | object, options?: FullRun<AdaptOptions>): AdaptRun<AdaptReport>
/** What it would do: nothing is done. */
export function adapt(config: string | object, options: DryRun<AdaptOptions>): AdaptRun<AdaptPlanReport>
/** Either, as the options say. */
export function adapt(config: string | object, options?: AdaptOptions): AdaptRun
export function adapt(config: string | object, options: AdaptOptions = {}): AdaptRun {
  return startRun('adapt', options, RESUMABLE, (context) => runAdaptation(config, options, context))
}

type Context = RunContext<AdaptEvent>

async function runAdaptation(
  source: string | object,
  options: AdaptOptions,
  context: Context,
): Promise<AdaptReport | AdaptPlanReport> {
  const { resume = false, overwrite = false, dryRun = false, onWarning: warn = () => {} } = options
  const given = await readAdaptConfig(source, options.overrides ?? [])
  const folder = new AdaptFolder(given.config)
  await folder.check({ resume, overwrite })
  const read = await withModels(given)
  const needed = await checkAdaptation(read, folder, context.signal, warn)
  if (dryRun) return foretell(read, folder, context.signal, warn)
  return folder.hold(warn, async (replaces) => {
    if (replaces) await folder.clear()
    return adaptIn(folder, read, needed, { ...options, ...context })
  })
}

type Work = AdaptOptions & Context

async function adaptIn(
  folder: AdaptFolder,
  read: ReadConfig,
  needed: readonly NeededStage[],
  work: Work,
): Promise<AdaptReport> {
  const start = performance.now()
  const { onWarning = () => {} } = work
  await folder.records.open()
  await checkNeeds(needed, read.config, folder, onWarning)
  await folder.writeConfig()
  const plan = await planIn(folder, read, work)
  const session = sessionOf(folder, plan.identity, work)
  const runner = new StageRunner(session, plan.stages, needed.length)
  const contest = new Contest(plan, runner, folder)
  await contest.run(work.signal)
  const told = await reportOf(contest)
  await publish(contest, told, work.signal)
  if (told.pick.picked === null) session.warn(told.pick.reason)
  const whole = { ...told, done: runner.done, seconds: (performance.now() - start) / 1000 }
  await folder.writeReport(whole)
  await writePage(folder, session)
  return whole
}

/** The run is done: a page that cannot be written is told, and `report` writes it another day. */
async function writePage({ path }: AdaptFolder, { warn, signal }: Session): Promise<void> {
  await report([path], { out: join(path, 'report.html'), overwrite: true, signal }).catch((error: Error) =>
    warn(`${path}: the run is done, but report.html could not be written: ${error.message}`),
  )
}

async function planIn(
  folder: AdaptFolder,
  read: ReadConfig,
  { signal, onWarning }: Work,
): Promise<AdaptPlan> {
  const { config } = read
  const texts = await writeTextTasks(config, folder.tasks, { signal, onWarning })
  const tasks = [...texts, ...config.evaluate.tasks]
  const stages = planStages(read, tasks)
  const identity = new Identity(folder, { cache: dataCacheFolder(config.data_cache), signal })
  for (const stage of stages.stages) await identity.add(stage)
  const { groups } = await chooseTasks(tasks)
  return { ...stages, read, tasks, groups, identity }
}

function sessionOf(folder: AdaptFolder, identity: Identity, work: Work): Session {
  const { signal, emit, onWarning, onProgress, onKept } = work
  const nothing = () => {}
  return {
    ...{ folder, identity, signal, emit, warn: onWarning ?? nothing },
    ...{ onProgress: onProgress ?? nothing, onKept: onKept ?? nothing },
  }
}
