/** The picked model made smaller, by the verb `compress`. */
import type { CompressConfig } from '../../../config/compress'
import { compress } from '../../compress'
import { readCompressConfig, sourcesOf } from '../../compressing/config'
import { recordSources } from '../../training/identity'
import { again } from '../again'
import type { StageKind } from '../stage'

const stage: StageKind<CompressConfig & { given: object }> = {
  makesModel: true,
  // As it was given: what holds for all stages of a pipeline is laid under them once.
  read: async (given) => ({ ...(await readCompressConfig(given, [])).config, given }),
  decisive(config) {
    const { given: _g, model: _m, out: _o, data_cache: _c, threads: _t, keep: _k, ...keys } = config
    return keys
  },
  content: async (config, reading) => (await recordSources('data', sourcesOf(config), reading)).content,
  async needs({ given }, signal) {
    const report = (await compress(given, { dryRun: true, signal }).result).report
    const { disk_bytes, memory_bytes, memory_stage, stages } = report
    const model_bytes = stages.findLast(({ bytes }) => bytes !== undefined)?.bytes ?? 0
    const advice = `It is stage ${memory_stage} of compress that needs it.`
    return { memory_bytes, advice, model_bytes, working_bytes: Math.max(0, disk_bytes - model_bytes) }
  },
  run: ({ given, out }, { signal, onWarning, onProgress, onStep, onKept }) =>
    again({ out }, async (how) => {
      const run = compress(given, { ...how, signal, onWarning, onProgress, onKept })
      for await (const told of run) if (told.event === 'step') onStep(told)
      const { stages, loads_in, seconds } = (await run.result).report
      const { parameters, bytes } = stages.at(-1)!
      return { figures: { parameters: { ...parameters }, bytes, loads_in }, seconds }
    }),
}

export default stage
