/** What a run ends with: a model folder, an adapter's folder, or both. */

import { basename, join } from 'node:path'
import { ADAPTER_WEIGHTS } from '../../checkpoint/adapter_folder'
import { writeModelCard } from '../../checkpoint/model_card'
import { hasTiedHead } from '../../checkpoint/model_spec'
import { type InputRecord, provenance } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson, writeText } from '../../checkpoint/write_folder'
import { toYaml } from '../../config/parse'
import { native, runJob } from '../../native'
import { objectiveOf, objectives } from '../../text/objectives'
import { packedBatch } from '../../text/packing'
import type { TrainResult } from '../train'
import { difference } from './difference'
import { generationConfig } from './ends'
import { numerics } from './environment'
import type { TrainPlan } from './plan'
import type { TrainReport } from './report'
import type { RunFolder } from './run_folder'
import { logitsOf, type Trainer } from './trainer'

/** What the end of a run knows. */
export interface Outcome {
  trainer: Trainer
  report: TrainReport
  inputs: InputRecord[]
}

/** Tokens whose logits are compared. */
const SAMPLE = 64

/** Publishes what the config asks for, the report last. The trainer is spent afterwards. */
export async function publish(folder: RunFolder, plan: TrainPlan, outcome: Outcome): Promise<TrainResult> {
  let { report } = outcome
  const { trainer } = outcome
  if (!plan.trained.lora) {
    await publishModel(folder, plan, outcome, async (staged) => {
      await trainer.saveWeights(staged)
      return report
    })
  } else {
    await publishAdapter(folder, plan, outcome)
    if (folder.makesModel) report = await publishMerged(folder, plan, outcome)
  }
  await folder.writeReport(report)
  return { ...folder.places(plan.model), report }
}

async function publishAdapter(folder: RunFolder, plan: TrainPlan, outcome: Outcome): Promise<void> {
  await withStagedFolder(folder.adapter, { overwrite: true }, async (staged) => {
    await outcome.trainer.saveAdapter(staged)
    await describe(staged, folder, plan, outcome, 'peft')
  })
}

async function publishMerged(folder: RunFolder, plan: TrainPlan, outcome: Outcome): Promise<TrainReport> {
  const ids = (await packedBatch(plan.data.rows, 1, 0)).ids.slice(0, SAMPLE)
  const before = await outcome.trainer.logits(ids)
  outcome.trainer.dispose() // two models need not be in memory
  return publishModel(folder, plan, outcome, async (staged) => {
    const { rounding } = await runJob('mergeAdapter', {
      model: plan.model!.path,
      adapter: join(folder.adapter, ADAPTER_WEIGHTS),
      adapters: plan.trained.lora!.modules,
      tied: hasTiedHead(plan.spec),
      staged,
    })
    const logits = difference(await logitsOfFolder(staged, plan, ids), before)
    return { ...outcome.report, drift: { weights: rounding, logits, logit_tokens: ids.length } }
  })
}

async function logitsOfFolder(
  folder: string,
  { spec, config }: TrainPlan,
  ids: Int32Array,
): Promise<Float32Array> {
  const { dtype, device, threads } = config
  const model = await runJob('loadModel', { folder, spec, dtype, device, threads })
  try {
    return await logitsOf(model, ids, threads)
  } finally {
    native().dispose(model)
  }
}

/** Publishes model/ with everything that belongs into it; `fill` writes the weights and completes the report. */
async function publishModel(
  folder: RunFolder,
  plan: TrainPlan,
  outcome: Outcome,
  fill: (staged: string) => Promise<TrainReport>,
): Promise<TrainReport> {
  return withStagedFolder(folder.model, { overwrite: true }, async (staged) => {
    const report = await fill(staged)
    await carryOver(plan.files, staged, new Set(['config.json', 'README.md']))
    await writeJson(staged, 'config.json', plan.modelConfig)
    const ends =
      plan.text &&
      objectives[objectiveOf(plan.config)].templated &&
      generationConfig(plan.files.generation, plan.text)
    if (ends) await writeJson(staged, 'generation_config.json', ends)
    await describe(staged, folder, plan, { ...outcome, report })
    return report
  })
}

/** The record of the run in each folder that it makes. */
async function describe(
  staged: string,
  folder: RunFolder,
  plan: TrainPlan,
  { report, inputs }: Outcome,
  library: 'transformers' | 'peft' = 'transformers',
): Promise<void> {
  const config = { verb: 'train', ...plan.config }
  await writeText(staged, 'resolved.yaml', toYaml(config))
  await writeJson(staged, 'provenance.json', provenance('train', inputs, numerics(plan.config)))
  await writeJson(staged, 'report.json', report)
  await writeModelCard(staged, {
    title: basename(folder.path),
    summary: `Trained with the objective ${config.objective} for ${config.steps} updates.`,
    origins: { ...(plan.model && { model: plan.model }), ...(plan.teacher && { teacher: plan.teacher }) },
    library,
    config,
  })
}
