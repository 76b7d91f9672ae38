/** What is known of an adaptation without one. */
import type { ReadConfig } from './config'
import { planStages } from './plan'
import type { StageVerb } from './stage'

/** A stage that has not run. */
export interface ForetoldAdaptStage {
  stage: string
  verb: StageVerb
  /** What it stands on. */
  on: string
}

export interface AdaptPlanReport {
  dry_run: true
  stages: ForetoldAdaptStage[]
}

export async function foretell(read: ReadConfig): Promise<AdaptPlanReport> {
  const { stages } = planStages(read, ['texts'])
  return {
    dry_run: true,
    stages: stages.map(({ name, verb, models }) => ({
      ...{ stage: name, verb },
      on: Object.values(models)
        .map((model) => ('stage' in model ? model.stage : model.folder))
        .join(', '),
    })),
  }
}
