/** What learning from preferences needs beside pairs: the loss's settings, and what the reference says of each answer. */
import { PREFERENCE_LOSSES } from '../../config/dpo'
import type { TrainConfig } from '../../config/train'
import { TongueforgeError } from '../../errors'
import type { PreferenceSettings } from '../../native'
import type { Identity } from './identity'
import type { TrainPlan } from './plan'
import { filesOf, StartingModel, type StartingModelOptions, startingPoint } from './starting_model'

export function preferenceSettings({ dpo }: TrainConfig): PreferenceSettings {
  const { loss: kind, label_smoothing, gamma } = dpo
  return { kind, beta: dpo.beta ?? PREFERENCE_LOSSES[kind].beta, label_smoothing, gamma }
}

/**
 * Gives training and held-out data the reference's log-probability of each answer: measured before training by the
 * model it starts from, or by `dpo.reference`; a resumed run finds them in its folder. Does nothing where no loss asks
 * for them. Throws ERR_CONFIG without a model to compare with.
 */
export async function addReferences(
  plan: TrainPlan,
  identity: Identity,
  how: Pick<StartingModelOptions, 'folder' | 'signal' | 'onProgress'>,
): Promise<void> {
  const { config, data, held_out, reference } = plan
  if (config.objective !== 'dpo' || !PREFERENCE_LOSSES[config.dpo.loss].reference) return
  const start = reference
    ? { model: reference, files: filesOf(identity.inputs, 'reference') }
    : startingPoint(plan, identity)
  if (start === undefined) throw noReference()
  const { dtype, device, threads, batch_size: rows } = config
  const starting = new StartingModel(start, { dtype, device, threads, rows, ...how })
  try {
    for (const [name, part] of Object.entries({ reference: data, reference_held_out: held_out })) {
      if (part !== undefined) part.reference = (await starting.logProbs(name, part)).sums
    }
  } finally {
    starting.dispose()
  }
}

function noReference(): TongueforgeError {
  return new TongueforgeError('ERR_CONFIG', 'dpo.reference: expected a model beside init, received none', {
    hint: 'Start from a model, name the one to compare with, or use dpo.loss: simpo or orpo.',
    details: { key: 'dpo.reference' },
  })
}
