/**
 * The whole job of the papers: load -> plan -> run -> save -> report. A chat model learns a language in several ways
 * (config/adapt/arms.ts), all are measured as the start was, a stated rule picks one. Stages are other verbs.
 */
import type { AdaptConfig } from '../config/adapt'
import { type ChosenTasks, chooseTasks } from '../tasks/registry'
import { dataCacheFolder } from '../text/cache/place'
import { checkAdaptation } from './adapting/checks'
import { type ReadConfig, readAdaptConfig } from './adapting/config'
import { AdaptFolder } from './adapting/folder'
import { type AdaptPlanReport, foretell } from './adapting/foretell'
import { hashOf, Identity } from './adapting/identity'
import { pickArm } from './adapting/pick'
import { type AdaptStages, evaluationOf, type PlannedArm, planStages, START } from './adapting/plan'
import { publishModel } from './adapting/publish'
import type { AdaptReport } from './adapting/report'
import { type AdaptEvent, type AdaptProgress, type Session, StageRunner } from './adapting/run'
import { tableOf } from './adapting/table'
import { writeTextTasks } from './adapting/texts'
import { type ConfiguredOptions, Run } from './run'

export type { AdaptPlanReport, ForetoldAdaptStage } from './adapting/foretell'
export type { Candidate, Pick } from './adapting/pick'
export type { AdaptStage } from './adapting/records'
export type { AdaptedArm, AdaptReport } from './adapting/report'
export type { AdaptEvent, AdaptProgress } from './adapting/run'

export interface AdaptOptions extends ConfiguredOptions<AdaptProgress> {
  /** Called where a run that is stopped has left something to go on with. */
  onKept?: (() => void) | undefined
}

export type AdaptRun = Run<AdaptEvent, AdaptReport | AdaptPlanReport>

/**
 * Adapts a chat model to a language as a YAML file or an object says (docs/adapt.md). Same machine, build and config: the
 * same bytes, also when it was stopped and resumed. Iterate over the events, await `result`; where no arm can win,
 * `picked` is null and there is no model. Throws ERR_CONFIG that names the arm, ERR_DATA, ERR_TEMPLATE, ERR_EXISTS,
 * ERR_BUSY, ERR_NO_SPACE, and what the verbs of its stages throw.
 */
export function adapt(config: string | object, options: AdaptOptions = {}): AdaptRun {
  return new Run((emit, signal) => runAdaptation(config, options, { emit, signal }), {
    signal: options.signal,
  })
}

interface Context {
  emit: (event: AdaptEvent) => void
  signal: AbortSignal
}

async function runAdaptation(
  source: string | object,
  options: AdaptOptions,
  context: Context,
): Promise<AdaptReport | AdaptPlanReport> {
  const { resume = false, overwrite = false, dryRun = false, onWarning: warn = () => {} } = options
  const read = await readAdaptConfig(source, options.overrides ?? [])
  const folder = new AdaptFolder(read.config)
  const replaces = await folder.check({ resume, overwrite })
  await checkAdaptation(read, folder, context.signal)
  if (dryRun) return foretell(read)
  return folder.hold(warn, async () => {
    if (replaces) await folder.clear()
    return adaptIn(folder, read, { ...options, ...context })
  })
}

type Work = AdaptOptions & Context

/** What is known once every text has been looked at. */
interface Plan extends AdaptStages {
  config: AdaptConfig
  chosen: ChosenTasks
  identity: Identity
}

async function adaptIn(folder: AdaptFolder, read: ReadConfig, work: Work): Promise<AdaptReport> {
  const start = performance.now()
  await folder.writeConfig()
  const plan = await planIn(folder, read, work)
  const session = sessionOf(folder, plan.identity, work)
  const runner = new StageRunner(session, plan.stages)
  await measureArms(runner, plan, folder, work.signal)
  const report = await reportOf(runner, plan, folder)
  if (report.pick.picked !== null) await publish(runner, plan, folder, report, work.signal)
  else session.warn(report.pick.reason)
  const whole = { ...report, done: runner.done, seconds: (performance.now() - start) / 1000 }
  await folder.writeReport(whole)
  return whole
}

async function planIn(folder: AdaptFolder, read: ReadConfig, { signal, onWarning }: Work): Promise<Plan> {
  const { config } = read
  const texts = await writeTextTasks(config, folder.tasks, { signal, onWarning })
  const tasks = [...texts, ...config.evaluate.tasks]
  const stages = planStages(read, tasks)
  const identity = new Identity(folder, { cache: dataCacheFolder(config.data_cache), signal })
  for (const stage of stages.stages) await identity.add(stage)
  await folder.records.open()
  return { ...stages, config, identity, chosen: await chooseTasks(tasks) }
}

function sessionOf(folder: AdaptFolder, identity: Identity, work: Work): Session {
  const { signal, emit, onWarning, onProgress, onKept } = work
  const nothing = () => {}
  return {
    ...{ folder, identity, signal, emit, warn: onWarning ?? nothing },
    ...{ onProgress: onProgress ?? nothing, onKept: onKept ?? nothing },
  }
}

/** The start, then each arm that is wanted. What cannot win any more goes, unless all is to stay. */
async function measureArms(
  runner: StageRunner,
  plan: Plan,
  folder: AdaptFolder,
  signal: AbortSignal,
): Promise<void> {
  const { config, arms } = plan
  const { only, skip, keep } = config
  await runner.need(evaluationOf(START))
  for (const { name } of arms) {
    if (skip.includes(name) || (only.length > 0 && !only.includes(name))) continue
    signal.throwIfAborted()
    await runner.need(evaluationOf(name))
    if (keep === 'picked') await runner.release(await mayWin(runner, plan, folder))
  }
}

/** The best arm so far; all of them while none meets the requirements. */
async function mayWin(runner: StageRunner, plan: Plan, folder: AdaptFolder): Promise<Set<string>> {
  const measured = measuredArms(runner, plan)
  const { picked } = pickArm(namesOf(measured), await rowsOf(measured, plan, folder), plan.config.pick)
  return new Set(
    measured.filter(({ name }) => picked === null || name === picked).map(({ result }) => result),
  )
}

const namesOf = (arms: readonly PlannedArm[]) => arms.map(({ name }) => name)

const measuredArms = (runner: StageRunner, { arms }: Plan) =>
  arms.filter(({ name }) => runner.isDone(evaluationOf(name)))

function rowsOf(arms: readonly PlannedArm[], { chosen }: Plan, folder: AdaptFolder) {
  const names = [START, ...namesOf(arms)]
  return tableOf(
    names.map((name) => ({ name, folder: folder.place(evaluationOf(name)) })),
    chosen,
  )
}

async function reportOf(runner: StageRunner, plan: Plan, folder: AdaptFolder): Promise<AdaptReport> {
  const { config, arms, stages } = plan
  const measured = measuredArms(runner, plan)
  const results = await rowsOf(measured, plan, folder)
  const pick = pickArm(namesOf(measured), results, config.pick)
  const { language, chat, base, card } = config
  const winner = arms.find(({ name }) => name === pick.picked)
  const model = winner && plan.identity.of(winner.result)
  return {
    schema: 'tongueforge.adapt/1',
    ...{ language, chat, ...(base !== undefined && { base }) },
    arms: arms.map((arm) => ({
      ...{ name: arm.name, about: arm.about, result: arm.result, measured: measured.includes(arm) },
    })),
    stages: stages.flatMap(({ name }) => runner.record(name) ?? []),
    ...{ results, pick, ...(winner && { model: folder.model }) },
    ...{ done: runner.done, seconds: 0, inputs_sha256: hashOf({ model, card, language, results, pick }) },
  }
}

/** model/, unless an earlier session has made it of the same. */
async function publish(
  runner: StageRunner,
  { arms, config, identity }: Plan,
  folder: AdaptFolder,
  report: AdaptReport,
  signal: AbortSignal,
): Promise<void> {
  const { result } = arms.find(({ name }) => name === report.pick.picked)!
  if (await folder.published(folder.model, report.inputs_sha256)) return
  await runner.need(result)
  const from = folder.place(result)
  await publishModel({
    ...{ config, from, out: folder.model, report, signal },
    ...{ inputs: identity.inputs, library: 'transformers' },
  })
}
