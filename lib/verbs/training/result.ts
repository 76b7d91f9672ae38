/** The model folder that a run ends with, and whose weights it gets. */
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { writeModelCard } from '../../checkpoint/model_card'
import { type InputRecord, provenance } from '../../checkpoint/provenance'
import { withStagedFolder } from '../../checkpoint/staged_folder'
import { carryOver, writeJson } from '../../checkpoint/write_folder'
import { toYaml } from '../../config/parse'
import type { TrainConfig } from '../../config/train'
import { native } from '../../native'
import type { Checkpoint, Checkpoints } from './checkpoints'
import type { TrainPlan } from './plan'
import type { RunFolder } from './run_folder'
import { byLoss } from './selection'
import type { RunState } from './state'

/** What a model folder needs that only the end of a run can say. */
export interface Outcome {
  report: object
  inputs: InputRecord[]
  saveWeights(folder: string): Promise<void>
}

/** Publishes model/ with everything that belongs into it, then the report beside it. */
export async function publishResult(folder: RunFolder, plan: TrainPlan, outcome: Outcome): Promise<void> {
  const { report, inputs } = outcome
  const config = { verb: 'train', ...plan.config }
  await withStagedFolder(folder.model, { overwrite: true }, async (staged) => {
    await outcome.saveWeights(staged)
    await carryOver(plan.files, staged, new Set(['config.json', 'README.md']))
    await writeJson(staged, 'config.json', plan.modelConfig)
    await writeFile(join(staged, 'resolved.yaml'), toYaml(config))
    await writeJson(staged, 'provenance.json', provenance('train', inputs, numerics(plan.config)))
    await writeJson(staged, 'report.json', report)
    await writeModelCard(staged, {
      title: basename(folder.path),
      summary: `Trained with the objective ${config.objective} for ${config.steps} updates.`,
      origins: plan.model ? { model: plan.model } : {},
      config,
    })
  })
  await folder.writeReport(report)
}

function numerics({ dtype }: TrainConfig) {
  const { torch_version, cpu_capability } = native().runtimeInfo()
  return { dtype, libtorch: torch_version, cpu_capability }
}

/** The checkpoint of the lowest held-out loss; undefined where no other is better than the last weights. */
export async function bestOf(
  { step: last, evaluations }: RunState,
  checkpoints: Checkpoints,
  warn: (message: string) => void,
): Promise<Checkpoint | undefined> {
  for (const { step } of byLoss(evaluations)) {
    const checkpoint = step === last ? undefined : await checkpoints.at(step, warn)
    if (checkpoint || step === last) return checkpoint
  }
  return undefined
}
