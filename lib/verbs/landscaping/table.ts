/** The points as rows: of landscape.csv, with every number under the path that it has in report.json. */
import type { Cell } from '../../report/csv'
import type { ProbeFigures } from '../probing/figures'
import type { Fronts } from './costs'
import { rateText } from './points'
import { errorOf } from './qualities'
import type { LandscapePoint } from './record'

/** One flat row a point: `parameters.nonzero`, `macs.effective.core`; `front.bytes` says whether it is on that front. */
export function rowsOf(points: readonly LandscapePoint[], fronts: Fronts): Record<string, Cell>[] {
  return points.map(({ step: _, inputs_sha256: __, probes_sha256: ___, probes, rate, ...point }) => ({
    point: point.point,
    technique: point.technique,
    rate: typeof rate === 'object' && rate !== null ? rateText(rate) : rate,
    ...flat(point),
    ...probeCells(probes ?? []),
    ...Object.fromEntries(
      Object.entries(fronts).map(([cost, names]) => [`front.${cost}`, names.includes(point.point)]),
    ),
  }))
}

const probeCells = (probes: readonly ProbeFigures[]): Record<string, Cell> =>
  Object.fromEntries(
    probes.flatMap((probe) => [
      [`probe.${probe.name}.error`, errorOf(probe)],
      [`probe.${probe.name}.nll`, probe.test.nll],
    ]),
  )

function flat(value: object, prefix = ''): Record<string, Cell> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      typeof inner === 'object' && inner !== null
        ? Object.entries(flat(inner, `${prefix}${key}.`))
        : [[prefix + key, inner as Cell]],
    ),
  )
}
