/** What a landscape ends with. */
import type { LandscapeConfig } from '../../config/landscape'
import { COST_NAMES, type CostName, frontsOf } from './costs'
import { type FailedPoint, failed, type LandscapePoint, type PointRecord } from './record'

export interface LandscapeReport {
  /** In the order of the config; the first is the model that all start from. */
  points: LandscapePoint[]
  /** Those that came to nothing, and why. */
  failed: FailedPoint[]
  /** By cost: the points of which no other is as good in loss and cost and better in one, cheapest first. */
  fronts: Record<CostName, string[]>
  measure: LandscapeConfig['measure']
  /** Points that this session made and measured; the others were there. */
  measured: number
  /** Of this session. */
  seconds: number
}

export function reportOf(
  records: readonly PointRecord[],
  { measure }: LandscapeConfig,
  session: Pick<LandscapeReport, 'measured' | 'seconds'>,
): LandscapeReport {
  const points = records.filter((record): record is LandscapePoint => !failed(record))
  return { points, failed: records.filter(failed), fronts: frontsOf(points), measure, ...session }
}

/** Costs on whose front a point is. */
export const frontsWith = ({ fronts }: Pick<LandscapeReport, 'fronts'>, point: string): CostName[] =>
  COST_NAMES.filter((cost) => fronts[cost].includes(point))
