/** The costs that quality is held against, and the points of which none is as good in both. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { paretoSet } from '../sweep/judge'
import type { LandscapePoint } from './record'

export interface Cost {
  /** Of the axis. */
  title: string
  /** d3's format of the axis. */
  format: string
  /** `original`: the model that all start from. */
  of(point: LandscapePoint, original: LandscapePoint): number
}

/** A row each. */
export const COSTS = {
  all_parameters: { title: 'parameters', format: '~s', of: ({ parameters }) => parameters.total },
  parameters: {
    title: 'parameters that are not zero',
    format: '~s',
    of: ({ parameters }) => parameters.nonzero,
  },
  bytes: { title: 'bytes on disk', format: '~s', of: ({ bytes }) => bytes },
  macs: { title: 'MACs of a pass, dense', format: '~s', of: ({ macs }) => macs.core },
  time: {
    title: 'time of a request, original = 1',
    format: '~g',
    of: ({ speed }) => speed.request_relative,
  },
  rtf: {
    title: 'real-time factor',
    format: '~g',
    // The ratio is timed in turns, and so steadier than each time.
    of: ({ speed }, original) => speed.prefill_relative * original.speed.real_time_factor!.min,
  },
} as const satisfies Record<string, Cost>

export type CostName = keyof typeof COSTS

const OF_TEXT = ['parameters', 'bytes', 'macs', 'time'] as const
const OF_SOUND = ['all_parameters', 'parameters', 'macs', 'rtf'] as const

/** Charts and fronts of a kind of model: four. */
export const costsOf = (kind: ModelSpec['kind']): readonly CostName[] =>
  kind === 'speech' ? OF_SOUND : OF_TEXT

/** By cost: names of the points of which no other is as good and as cheap, and better in one; cheapest first. */
export type Fronts = Partial<Record<CostName, string[]>>

/** `quality`: lower is better; null, what is no number, is on no front. The first point is the original. */
export function frontsOf(
  points: readonly LandscapePoint[],
  costs: readonly CostName[],
  quality: (point: LandscapePoint) => number | null,
): Fronts {
  const front = (cost: CostName) => {
    const measured = points.flatMap((point) => {
      const found = quality(point)
      const values = { quality: found!, cost: COSTS[cost].of(point, points[0]!) }
      return found === null ? [] : [{ name: point.point, values }]
    })
    return paretoSet(measured, ['quality', 'cost'])
      .sort((a, b) => a.values.cost - b.values.cost)
      .map(({ name }) => name)
  }
  return Object.fromEntries(costs.map((cost) => [cost, front(cost)]))
}
