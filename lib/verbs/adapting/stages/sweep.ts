/** A chat vector at the best of many scales, by the verb `sweep`, which writes it. */
import { join } from 'node:path'
import type { SweepConfig } from '../../../config/sweep'
import { type SweepReport, sweep } from '../../sweep'
import { readSweepConfig } from '../../sweep/plan'
import { recordSources } from '../../training/identity'
import { again } from '../again'
import type { StageKind } from '../stage'

const stage: StageKind<SweepConfig> = {
  makesModel: true,
  read: (config) => readSweepConfig({ ...config, write_best: placeOf(config as SweepConfig) }, []),
  decisive(config) {
    const { target: _t, base: _b, chat: _c, out: _o, write_best: _w, data_cache: _a, ...rest } = config
    const { objectives, threads: _h, device: _d, max_points: _m, ...keys } = rest
    return { ...keys, objectives: objectives.map(({ data: _, ...objective }) => objective) }
  },
  async content({ objectives }, reading) {
    const contents = []
    for (const { data } of objectives) contents.push((await recordSources('held_out', data, reading)).content)
    return contents
  },
  run: (config, { signal, onWarning, onProgress, onKept }) =>
    again(async (how) => {
      const run = sweep(config, { ...how, signal, onWarning, onProgress })
      for await (const _ of run) onKept()
      const { best_scale, best, points, within_limits, seconds } = (await run.result) as SweepReport
      if (!within_limits) onWarning('no scale is within all limits: the one nearest to them is taken')
      return { figures: { scale: best_scale, values: best.values, points: points.length }, seconds }
    }),
}

export default stage

const placeOf = ({ out }: SweepConfig) => join(out, 'model')
