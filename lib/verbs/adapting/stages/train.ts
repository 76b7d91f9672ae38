/** A training, by the verb `train`. */
import type { TrainConfig } from '../../../config/train'
import { type TrainReport, type TrainRun, train } from '../../train'
import { decisiveKeys, recordSources } from '../../training/identity'
import { readTrainConfig } from '../../training/plan'
import { isSelective } from '../../training/selection'
import { again } from '../again'
import type { StageKind, StageResult, StageWork } from '../stage'

const stage: StageKind<TrainConfig> = {
  makesModel: true,
  read: (config) => readTrainConfig(config, []),
  decisive(config) {
    const { model: _m, tokenizer: _t, data: _d, replay: _r, ...keys } = decisiveKeys(config)
    return keys
  },
  async content(config, reading) {
    const of = async (role: string, sources: TrainConfig['data'] | TrainConfig['replay']) =>
      sources && (await recordSources(role, sources, reading)).content
    return {
      data: await of('data', config.data),
      replay: await of('replay', config.replay),
      ...(isSelective(config) && { eval: { ...config.eval, data: await of('eval', config.eval!.data) } }),
    }
  },
  run: (config, work) => again((how) => trained(config, how, work)),
}

export default stage

async function trained(config: TrainConfig, how: object, work: StageWork): Promise<StageResult> {
  const { signal, onWarning, onProgress, onStep, onKept } = work
  // Not one of several that train together: those are started for a verb of their own.
  const told = { signal, onWarning, onNote: onWarning, onProgress, environment: {} }
  const run: TrainRun = train(config, { ...how, ...told })
  try {
    for await (const step of run) onStep(step)
    const report = (await run.result).report as TrainReport
    const { objective, result_step, loss, eval_loss, tokens, seconds } = report
    const held = eval_loss === undefined ? {} : { eval_loss }
    return { figures: { objective, updates: result_step, loss, ...held, tokens }, seconds }
  } catch (error) {
    if (run.latest.checkpoint) onKept()
    throw error
  }
}
