/** All probes of a plan on one model: what a landscape asks of each of its points. */
import type { ProbeFigures } from './figures'
import { fitProbe } from './fit'
import { GatheredStates, type GatherOptions, type ProbedModel } from './gather'
import type { ProbePlan } from './plan'

export interface ProbeModelOptions extends GatherOptions {
  seed: number
}

/** In the order of the config. Throws ERR_AUDIO, ERR_NON_FINITE, ERR_CONFIG for a layer that this model lacks. */
export async function probeModel(
  model: ProbedModel,
  plan: ProbePlan,
  options: ProbeModelOptions,
): Promise<ProbeFigures[]> {
  const states = await GatheredStates.of(plan, model, options)
  try {
    const all: ProbeFigures[] = []
    for (const probe of plan.probes) {
      const { figures } = await fitProbe(probe, states, model.spec, options)
      all.push(figures)
    }
    return all
  } finally {
    states.dispose()
  }
}
