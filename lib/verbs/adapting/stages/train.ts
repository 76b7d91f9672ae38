/** A training, by the verb `train`. */
import { modelSpec } from '../../../checkpoint/model_spec'
import type { TrainConfig } from '../../../config/train'
import { countParameters, DTYPE_BYTES } from '../../../counting/parameters'
import { inscpFrame, requireTemplate } from '../../../text/inscp_frame'
import type { ModelText } from '../../../text/model_text'
import { train } from '../../train'
import { readTrainConfig } from '../../training/config'
import { decisiveKeys, recordSources } from '../../training/identity'
import { checkpointBytes, peakBytes } from '../../training/memory'
import { advice } from '../../training/memory_room'
import { checkKind } from '../../training/model_kind'
import { openInputs } from '../../training/plan'
import { openReading } from '../../training/reading'
import { isSelective } from '../../training/selection'
import { planTrained } from '../../training/trained'
import { again } from '../again'
import { checkPositions } from '../positions'
import type { StageKind, StageNeeds, StageResult, StageWork, StageWorkload } from '../stage'

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
  needs,
  workload,
  run: (config, work) => again(config, (how) => trained(config, how, work)),
}

export default stage

async function needs(config: TrainConfig, signal: AbortSignal): Promise<StageNeeds> {
  const { model, files } = await openInputs(config)
  const spec = modelSpec(model!.config, model!.configFile)
  checkKind(config, spec)
  checkPositions('train', config.sequence_length, spec)
  const trained = await planTrained(config, spec, { base: model!.path, adapter: undefined })
  checkTemplate(config, (await openReading(config, spec, files, { signal })).text!)
  const plan = { config, spec, trained, teaching: undefined }
  const width = DTYPE_BYTES[(config.lora && spec.dtype) || config.dtype]
  return {
    ...{ memory_bytes: peakBytes(plan), advice: advice(plan) },
    model_bytes: width * countParameters(spec),
    working_bytes: (config.checkpoint.keep + 1) * checkpointBytes(plan), // a new one beside those that stay
  }
}

function checkTemplate({ objective, inscp }: TrainConfig, text: ModelText): void {
  if (objective === 'inscp') inscpFrame(text, inscp)
  else if (objective !== 'cp') requireTemplate(text)
}

// What a filter would leave out is not known before the model has read all of it.
async function workload(config: TrainConfig, signal: AbortSignal): Promise<StageWorkload> {
  const inscp = { ...config.inscp, max_perplexity: undefined }
  const { report } = await train({ ...config, inscp }, { dryRun: true, signal }).result
  const { tokens, seconds } = report.plan
  return { tokens, seconds }
}

async function trained(config: TrainConfig, how: object, work: StageWork): Promise<StageResult> {
  const { signal, onWarning, onProgress, onStep, onKept } = work
  // Not one of several that train together: those are started for a verb of their own.
  const told = { signal, onWarning, onNote: onWarning, onProgress, environment: {} }
  const run = train(config, { ...how, ...told })
  try {
    for await (const step of run) onStep(step)
    const report = (await run.result).report
    const { objective, result_step, loss, eval_loss, tokens, seconds } = report
    const held = eval_loss === undefined ? {} : { eval_loss }
    return { figures: { objective, updates: result_step, loss, ...held, tokens }, seconds }
  } catch (error) {
    if (run.latest.checkpoint) onKept()
    throw error
  }
}
