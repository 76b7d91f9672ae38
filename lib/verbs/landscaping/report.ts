/** What a landscape ends with. */

import type { ModelSpec } from '../../checkpoint/model_spec'
import type { LandscapeConfig } from '../../config/landscape'
import { type CostName, costsOf, type Fronts, frontsOf } from './costs'
import { probeQuality, type Quality, qualityOf } from './qualities'
import { type FailedPoint, failed, type LandscapePoint, type PointRecord } from './record'

/** The points of a landscape, and which of them none other is better than. */
export interface LandscapeReport {
  /** Of the model: a decoder has perplexity, an encoder of text or speech its pre-training loss. */
  kind: ModelSpec['kind']
  /** In the order of the config; the first is the model that all start from. */
  points: LandscapePoint[]
  /** Those that came to nothing, and why. */
  failed: FailedPoint[]
  /** By cost: the points of which no other is as good in loss and cost and better in one, cheapest first. */
  fronts: Fronts
  /** The same by the error of each probe, by its name. */
  probe_fronts?: Record<string, Fronts>
  /** How speed was measured, as in the config. */
  measure: LandscapeConfig['measure']
  /** Points that this session made and measured; the others were there. */
  measured: number
  /** Of this session. */
  seconds: number
}

export function reportOf(
  records: readonly PointRecord[],
  { measure, probe }: LandscapeConfig,
  session: Pick<LandscapeReport, 'kind' | 'measured' | 'seconds'>,
): LandscapeReport {
  const points = records.filter((record): record is LandscapePoint => !failed(record))
  const { kind, ...worked } = session
  const by = (quality: Quality) => frontsOf(points, costsOf(kind), quality.of)
  const probed = probe?.probes.map(({ name }) => [name, by(probeQuality(name))] as const)
  return {
    ...{ kind, points, failed: records.filter(failed), fronts: by(qualityOf(kind)) },
    ...(probed && { probe_fronts: Object.fromEntries(probed) }),
    ...{ measure, ...worked },
  }
}

/** Costs on whose front a point is. */
export const frontsWith = (fronts: Fronts, point: string): CostName[] =>
  (Object.keys(fronts) as CostName[]).filter((cost) => fronts[cost]!.includes(point))
