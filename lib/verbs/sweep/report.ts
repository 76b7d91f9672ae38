/** What a sweep found: the points, the best of them, those that no other beats in everything, and the curve. */
import { basename, join } from 'node:path'
import { jsonText } from '../../checkpoint/write_folder'
import type { Scale } from '../../config/scales'
import { type Line, lineChart } from '../../report/chart'
import type { ClaimedFolder } from '../training/claimed_folder'
import { isBetter, judge, paretoSet, type Verdict } from './judge'
import type { SweepMemory } from './memory'
import type { SweepPlan } from './plan'
import type { SweepPoint } from './points'

/** A point with what the config makes of its values. */
export interface JudgedPoint extends Omit<SweepPoint, 'inputs_sha256'>, Verdict {}

/** The points of a sweep, and the best of them. */
export interface SweepReport extends SweepMemory {
  /** The measure that points are judged by. */
  by: string
  /** How scales were looked for. */
  search: string
  /** In the order of measuring. */
  points: JudgedPoint[]
  /** The point that wins by `by`, within limits where one is. */
  best: JudgedPoint
  /** Its scales as `graft` takes them. */
  best_scale: Scale
  /** Whether the best point is within all limits. */
  within_limits: boolean
  /** Numbers of the points of which no other is as good in every value and better in one. */
  pareto: number[]
  /** Of this session. */
  seconds: number
  /** Points that this session measured; the others were there. */
  measured: number
  /** Model folder of the best point, where it was asked for. */
  model?: string
  /** Of everything that decides the points. */
  inputs_sha256: string
}

export interface Session {
  points: readonly SweepPoint[]
  measured: number
  seconds: number
  inputsHash: string
}

export function sweepReport(plan: SweepPlan, session: Session): SweepReport {
  const { config, aims, dimensions, memory } = plan
  const points = session.points.map(({ inputs_sha256: _, ...point }) => ({
    ...point,
    ...judge(point.values, aims),
  }))
  const best = points.reduce((found, point) => (isBetter(point, found) ? point : found))
  const names = aims.map(({ name }) => name)
  return {
    by: config.by,
    search: config.search,
    points,
    best,
    best_scale: dimensions.scaleAt(dimensions.names.map((name) => best.scales[name]!)),
    within_limits: best.excess === 0,
    pareto: paretoSet(points, names).map(({ step }) => step),
    seconds: session.seconds,
    measured: session.measured,
    ...memory,
    inputs_sha256: session.inputsHash,
  }
}

/** report.json, curve.json and curve.svg. */
export async function writeReport(
  folder: ClaimedFolder,
  plan: SweepPlan,
  report: SweepReport,
): Promise<void> {
  const curve = curveOf(plan, report)
  await folder.write('curve.json', jsonText({ x: curve.x, y: 'loss', points: curve.points }))
  const chart = { title: basename(folder.path), y: 'loss', dots: true, ...curve }
  await folder.write('curve.svg', await lineChart(chart))
  await folder.writeReport(report)
}

/** Of points that may come from a file: a loss that is no number is null there. */
interface CurvePoint {
  step: number
  scales: Record<string, number>
  values: Record<string, number | null>
}

/** Losses over the scale, where there is one; over the order of measuring, where there are several. */
export function curveOf(
  { aims, dimensions }: { aims: readonly { name: string }[]; dimensions: { names: readonly string[] } },
  { points }: { points: readonly CurvePoint[] },
): { x: string; points: Line[] } {
  const [only] = dimensions.names
  const single = dimensions.names.length === 1
  const xOf = ({ step, scales }: CurvePoint) => (single ? scales[only!]! : step)
  const ordered = [...points].sort((a, b) => xOf(a) - xOf(b))
  const lines = ordered.flatMap((point) =>
    aims.map(({ name }) => ({ x: xOf(point), y: point.values[name] ?? Number.NaN, series: name })),
  )
  return { x: single ? 'scale' : 'point', points: lines.filter(({ y }) => Number.isFinite(y)) }
}

export const placeOfMetrics = (folder: string) => join(folder, 'metrics.jsonl')
