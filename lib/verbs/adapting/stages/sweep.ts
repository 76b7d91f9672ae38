/** A chat vector at the best of many scales, by the verb `sweep`, which writes it. */
import { join } from 'node:path'
import type { SweepConfig } from '../../../config/sweep'
import { countParameters } from '../../../counting/parameters'
import { prepareGraft } from '../../graft'
import { sweep } from '../../sweep'
import { sweepMemory } from '../../sweep/memory'
import { readSweepConfig, vectorOf } from '../../sweep/plan'
import { forwardFlops } from '../../training/flops'
import { recordSources } from '../../training/identity'
import { matrixRate } from '../../training/speed'
import { UTILISATION } from '../../training/time'
import { again } from '../again'
import { checkPositions } from '../positions'
import type { StageKind, StageNeeds, StageWorkload } from '../stage'

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
  needs,
  workload,
  run: (config, { signal, onWarning, onProgress, onKept }) =>
    again(config, async (how) => {
      const run = sweep(config, { ...how, signal, onWarning, onProgress })
      for await (const _ of run) onKept()
      const { best_scale, best, points, within_limits, seconds } = await run.result
      if (!within_limits) onWarning('no scale is within all limits: the one nearest to them is taken')
      return { figures: { scale: best_scale, values: best.values, points: points.length }, seconds }
    }),
}

export default stage

const placeOf = ({ out }: SweepConfig) => join(out, 'model')

const graftOf = (config: SweepConfig) =>
  prepareGraft({
    ...{ target: config.target, vectors: [{ ...vectorOf(config), scale: 1 }] },
    ...{ residual: false, force: config.force },
  })

async function needs(config: SweepConfig): Promise<StageNeeds> {
  const { models, plan } = await graftOf(config)
  const { spec } = models.target
  checkPositions('sweep', config.sequence_length, spec)
  const stored_bytes = plan.bytes_to_write
  const { memory_bytes } = sweepMemory({ config, spec, parameters: countParameters(spec), stored_bytes })
  const advice =
    'It holds the target, the difference in float32 and the weights of a point: give a scale instead.'
  return { memory_bytes, advice, model_bytes: stored_bytes, working_bytes: 0 }
}

async function workload(config: SweepConfig, signal: AbortSignal): Promise<StageWorkload> {
  const { points, rows } = await sweep(config, { dryRun: true, signal }).result
  const { sequence_length, dtype, threads } = config
  const tokens = points * sequence_length * Object.values(rows).reduce((sum, count) => sum + count, 0)
  const { spec } = (await graftOf(config)).models.target
  const rate = UTILISATION * (await matrixRate({ dtype, threads, device: 'cpu' }, signal))
  return { tokens, seconds: (tokens * forwardFlops(spec, sequence_length)) / rate }
}
