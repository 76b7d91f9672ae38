/** Scales of a chat vector, measured in memory: load -> plan -> run -> save -> report. */
import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { readProvenance } from '../checkpoint/provenance'
import { readYaml } from '../config/parse'
import type { SweepConfig } from '../config/sweep'
import { TongueforgeError } from '../errors'
import { type ByteProgress, runJob } from '../native'
import { graft } from './graft'
import {
  CONFIGURED,
  type ConfiguredOptions,
  type DryRun,
  type FullRun,
  type Run,
  type RunContext,
  startRun,
} from './run'
import { named } from './sweep/dimensions'
import { inputsHash } from './sweep/identity'
import { isBetter, judge, type Verdict } from './sweep/judge'
import { LiveTarget } from './sweep/live_target'
import { checkSweepMemory, type SweepMemory } from './sweep/memory'
import {
  closePlan,
  openSweepModels,
  planSweep,
  readSweepConfig,
  type SweepPlan,
  vectorOf,
} from './sweep/plan'
import { PointBook, type SweepPoint } from './sweep/points'
import { placeOfMetrics, type SweepReport, sweepReport, writeReport } from './sweep/report'
import { coordinate, goldenSection, grid, type Landscape } from './sweep/search'
import { ClaimedFolder, CONFIG_FILE } from './training/claimed_folder'
import { pathsWithin } from './training/read_paths'
import { keepTime, localTime, timeOf } from './training/template_time'

export type { SweepPoint } from './sweep/points'
export type { JudgedPoint, SweepReport } from './sweep/report'

/**
 * `overwrite` replaces what is at `write_best` too. Hears of bytes while models are read, then of rows: `total` is that of
 * all points, as many as the search may need.
 */
export type SweepOptions = ConfiguredOptions<SweepProgress>

export interface SweepProgress {
  label: string
  done: number
  total: number
  unit: 'bytes' | 'rows'
}

/** What a dry run tells. */
export interface SweepPlanReport extends SweepMemory {
  /** Nothing was measured, and nothing written. */
  dry_run: true
  /** The measure that points are judged by. */
  by: string
  /** How scales are looked for. */
  search: string
  /** What is scaled apart. */
  dimensions: readonly string[]
  /** Points that the search asks for at most. */
  points: number
  /** Rows of tokens a point, by objective. */
  rows: Record<string, number>
}

/** A sweep: iterate over its points, await its `result`. */
export type SweepRun<Report = SweepReport | SweepPlanReport> = Run<SweepPoint, Report>

/**
 * Measures a target with a chat vector at several scales, as a YAML file or an object says (docs/sweep.md). Models are
 * read once; nothing is written but the record. Iterate over the points, await `result`. Throws ERR_CONFIG, ERR_DATA,
 * ERR_EXISTS, ERR_BUSY, ERR_CHECKPOINT, ERR_OUT_OF_MEMORY, and what graft throws of models that do not fit together.
 */
export function sweep(config: string | object, options?: FullRun<SweepOptions>): SweepRun<SweepReport>
/** What it would do: nothing is done. */
export function sweep(config: string | object, options: DryRun<SweepOptions>): SweepRun<SweepPlanReport>
/** Either, as the options say. */
export function sweep(config: string | object, options?: SweepOptions): SweepRun
export function sweep(config: string | object, options: SweepOptions = {}): SweepRun {
  return startRun('sweep', options, CONFIGURED, (context) => runSweep(config, options, context))
}

type Context = RunContext<SweepPoint>

async function runSweep(
  source: string | object,
  options: SweepOptions,
  context: Context,
): Promise<SweepReport | SweepPlanReport> {
  const { resume = false, overwrite = false, onWarning: warn = () => {} } = options
  const { signal } = context
  const config = await readSweepConfig(source, options.overrides ?? [])
  const folder = new ClaimedFolder(config, inputsOf(config))
  await folder.check({ resume, overwrite })
  const replacesBest = overwrite || (resume && (await wroteBest(config)))
  await checkBest(config, replacesBest)
  const models = await openSweepModels(config)
  const began = (resume ? await timeOf(folder.path) : undefined) ?? localTime()
  const plan = await planSweep(config, models, { signal, onWarning: warn, now: new Date(began) })
  try {
    if (options.dryRun) return planReport(plan, warn)
    checkSweepMemory(plan.memory, config, warn)
    const hash = await inputsHash(config, models, signal)
    return await folder.hold(warn, async (replaces) => {
      if (replaces) await folder.clear()
      const book = new PointBook(folder.path, placeOfMetrics(folder.path), hash)
      await book.open()
      await folder.writeConfig()
      if (plan.asksForTime) await keepTime(folder, began)
      return sweepIn(folder, { plan, book, hash, options, replacesBest, ...context })
    })
  } finally {
    await closePlan(plan)
  }
}

const modelsOf = (config: SweepConfig) => [config.target, ...Object.values(vectorOf(config))]

const dataOf = ({ objectives }: SweepConfig) => objectives.flatMap(({ data }) => data.map(({ path }) => path))

const inputsOf = (config: SweepConfig) => [...modelsOf(config), ...dataOf(config)]

/** Whether an earlier session of this sweep wrote what is at `write_best`: it was told to, and a graft lies there. */
async function wroteBest({ out, write_best }: SweepConfig): Promise<boolean> {
  const record = join(out, CONFIG_FILE)
  if (write_best === undefined || !existsSync(record)) return false
  const { write_best: named } = Object(await readYaml(record)) as { write_best?: unknown }
  if (typeof named !== 'string' || resolve(named) !== resolve(write_best)) return false
  return readProvenance(write_best).then(
    ({ verb }) => verb === 'graft',
    () => false, // a folder of the user's
  )
}

// Met now, not after hours.
async function checkBest(config: SweepConfig, overwrite: boolean): Promise<void> {
  const { write_best: out } = config
  if (out === undefined) return
  if (!relative(out, config.out).startsWith('..')) {
    throw new TongueforgeError(
      'ERR_CONFIG',
      `write_best: expected a folder beside out or in it, received ${out}`,
      {
        hint: 'Its model would take the place of the run folder: choose another.',
        details: { key: 'write_best' },
      },
    )
  }
  const inputs = [...modelsOf(config), ...(await pathsWithin(out, dataOf(config)))]
  await runJob('checkOutput', { out, overwrite, inputs })
}

function planReport(plan: SweepPlan, warn: (message: string) => void): SweepPlanReport {
  const { config, dimensions, points, objectives, memory } = plan
  try {
    checkSweepMemory(memory, config, warn)
  } catch (error) {
    warn((error as TongueforgeError).message) // the plan may be for another machine
  }
  return {
    dry_run: true,
    by: config.by,
    search: config.search,
    dimensions: dimensions.names,
    points,
    rows: Object.fromEntries(objectives.map(({ name, rows }) => [name, rows])),
    ...memory,
  }
}

interface Work extends Context {
  plan: SweepPlan
  book: PointBook
  hash: string
  options: SweepOptions
  /** What is at write_best may go. */
  replacesBest: boolean
}

async function sweepIn(folder: ClaimedFolder, work: Work): Promise<SweepReport> {
  const { plan, book, hash, signal } = work
  const start = performance.now()
  const there = book.all.length
  const target = await LiveTarget.load(plan, { signal, onBytes: bytesTo(work.options.onProgress) })
  try {
    await search(plan, landscape(target, work))
  } finally {
    target.dispose()
  }
  const points = book.all
  const seconds = (performance.now() - start) / 1000
  const report = sweepReport(plan, { points, measured: points.length - there, seconds, inputsHash: hash })
  const whole = { ...report, ...(await writeBest(report, work)) }
  await writeReport(folder, plan, whole)
  return whole
}

const bytesTo =
  (onProgress: SweepOptions['onProgress']) =>
  (label: string, { done_bytes, total_bytes }: ByteProgress) =>
    onProgress?.({ label, done: done_bytes, total: total_bytes, unit: 'bytes' })

function search({ config, dimensions, line }: SweepPlan, land: Landscape<Verdict>) {
  if (config.search === 'coordinate')
    return coordinate(
      dimensions.names.map(() => config.start),
      line,
      config.rounds,
      land,
    )
  return 'values' in line ? grid(line.values, dimensions.names.length, land) : goldenSection(line, land)
}

/** Points by the book: one that is there is not measured again. */
function landscape(target: LiveTarget, { plan, book, options, emit, signal }: Work): Landscape<Verdict> {
  const { aims, dimensions, objectives, points } = plan
  const rows = objectives.reduce((sum, objective) => sum + objective.rows, 0)
  let done = 0
  const onRows = (count: number) => {
    done += count
    options.onProgress?.({ label: 'sweep', done, total: Math.max(done, points * rows), unit: 'rows' })
  }
  return {
    isBetter,
    async measure(point) {
      signal.throwIfAborted()
      const scales = named(dimensions, point)
      const known = book.find(scales)
      if (known) {
        onRows(rows)
        return judge(known.values, aims)
      }
      const start = performance.now()
      const values = await target.at(dimensions.scaleAt(point), signal, async (model) => {
        const measured: [string, number][] = []
        for (const { name, measure } of objectives)
          measured.push([name, await measure(model, { signal, onRows })])
        return Object.fromEntries(measured)
      })
      const written = await book.add(scales, values, (performance.now() - start) / 1000)
      emit(written)
      return judge(values, aims)
    },
  }
}

async function writeBest(
  { best_scale: scale }: SweepReport,
  { plan: { config }, options: { onProgress }, replacesBest, signal }: Work,
): Promise<{ model?: string }> {
  const { write_best, target, force } = config
  if (write_best === undefined) return {}
  const { out } = await graft(
    {
      ...{ target, force, vectors: [{ ...vectorOf(config), scale }] },
      ...{ out: write_best, overwrite: replacesBest },
    },
    { signal, onProgress: (progress) => bytesTo(onProgress)('write best', progress) },
  )
  return { model: out }
}
