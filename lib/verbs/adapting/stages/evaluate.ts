/** What a model is worth, by the verb `evaluate`: a folder for each, so that models may go. */
import { decoderSpec } from '../../../checkpoint/model_config'
import { openModelFolder } from '../../../checkpoint/model_folder'
import type { EvaluateConfig } from '../../../config/evaluate'
import { countParameters, DTYPE_BYTES } from '../../../counting/parameters'
import { listedOnce } from '../../../tasks/data'
import { chooseTasks } from '../../../tasks/registry'
import { evaluate } from '../../evaluate'
import { decisive, identityOfTask } from '../../evaluating/identities'
import { openTask } from '../../evaluating/open_task'
import { readEvaluateConfig } from '../../evaluating/plan'
import { forwardFlops } from '../../training/flops'
import { largestBlockBytes, logitRows, PROCESS_BYTES } from '../../training/memory'
import { matrixRate } from '../../training/speed'
import { UTILISATION } from '../../training/time'
import { again } from '../again'
import type { StageKind, StageNeeds, StageWorkload } from '../stage'

const stage: StageKind<EvaluateConfig> = {
  makesModel: false,
  read: async (config) => (await readEvaluateConfig(config, [])).config,
  decisive: ({ num_fewshot }) => ({ num_fewshot }),
  async content(config, { signal }) {
    const { tasks } = await chooseTasks(config.tasks)
    const all = []
    const list = listedOnce()
    for (const task of tasks) {
      const opened = await openTask(task, config, signal, list)
      const { identity } = await identityOfTask(opened, config, signal)
      all.push({ ...identity, ...decisive(config, opened) })
    }
    return all
  },
  needs,
  workload,
  run: (config, { signal, onWarning, onProgress, onKept }) =>
    again(config, async (how) => {
      const run = evaluate(config, { ...how, signal, onWarning, onProgress, onKept })
      const report = await run.result
      return {
        figures: { tasks: config.tasks.length, numbers: report.results.length },
        seconds: report.seconds,
      }
    }),
}

export default stage

/** Tokens that go through a model at once, where the config leaves it to the device. */
const BATCH_TOKENS = 4096

async function specOf({ models }: EvaluateConfig) {
  const folder = await openModelFolder(models[0]!.path)
  return decoderSpec(folder.config, folder.configFile, { quantized: true })
}

async function needs(config: EvaluateConfig): Promise<StageNeeds> {
  const spec = await specOf(config)
  const width = DTYPE_BYTES[config.dtype]
  const tokens = config.batch_tokens || BATCH_TOKENS
  const logits = logitRows(tokens, spec.vocab_size, width) * spec.vocab_size * width
  const batch = tokens * largestBlockBytes(spec, width) + logits
  return {
    memory_bytes: PROCESS_BYTES + width * countParameters(spec) + batch,
    advice: 'Set evaluate.dtype: bfloat16, or take a machine with more memory.',
    ...{ model_bytes: 0, working_bytes: 0 },
  }
}

async function workload(config: EvaluateConfig, signal: AbortSignal): Promise<StageWorkload> {
  const report = await evaluate(config, { dryRun: true, signal }).result
  const tokens = report.tasks.reduce((sum, task) => sum + task.tokens, 0)
  const spec = await specOf(config)
  const { threads, device } = config
  const dtype = config.dtype === 'float16' ? 'bfloat16' : config.dtype
  const rate = UTILISATION * (await matrixRate({ dtype, threads, device }, signal))
  return { tokens, seconds: (tokens * forwardFlops(spec, Math.min(spec.max_positions, 512))) / rate }
}
