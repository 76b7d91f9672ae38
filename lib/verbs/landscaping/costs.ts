/** The four costs that quality is held against, and the points of which none is as good in both. */
import { paretoSet } from '../sweep/judge'
import type { LandscapePoint } from './record'

export interface Cost {
  /** Of the axis. */
  title: string
  /** d3's format of the axis. */
  format: string
  of(point: LandscapePoint): number
}

/** Charts and fronts: a row each. */
export const COSTS = {
  parameters: {
    title: 'parameters that are not zero',
    format: '~s',
    of: ({ parameters }) => parameters.nonzero,
  },
  bytes: { title: 'bytes on disk', format: '~s', of: ({ bytes }) => bytes },
  macs: { title: 'MACs of a prompt, dense', format: '~s', of: ({ macs }) => macs.core },
  time: {
    title: 'time of a request, original = 1',
    format: '~g',
    of: ({ speed }) => speed.request_relative,
  },
} as const satisfies Record<string, Cost>

export type CostName = keyof typeof COSTS
export const COST_NAMES = Object.keys(COSTS) as CostName[]

/** Names of the points on the front of each cost, cheapest first. A loss that is no number is on none. */
export function frontsOf(points: readonly LandscapePoint[]): Record<CostName, string[]> {
  const front = (cost: CostName) => {
    const measured = points.flatMap((point) => {
      const { point: name, loss } = point
      return loss === null ? [] : [{ name, values: { loss, cost: COSTS[cost].of(point) } }]
    })
    return paretoSet(measured, ['loss', 'cost'])
      .sort((a, b) => a.values.cost - b.values.cost)
      .map(({ name }) => name)
  }
  return Object.fromEntries(COST_NAMES.map((cost) => [cost, front(cost)])) as Record<CostName, string[]>
}
