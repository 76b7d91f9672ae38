/** A probe learned from gathered states and judged, once a fold. */
import type { SpeechSpec } from '../../checkpoint/speech_config'
import { type FittedProbe, runJob } from '../../native'
import type { LabelledProgress } from '../run'
import { meanOf, type ProbeFigures, type ProbeFold } from './figures'
import type { GatheredStates } from './gather'
import type { Numbers } from './kind'
import { KINDS } from './kinds'
import { layersOf } from './layers'
import type { PlannedExamples, PlannedProbe } from './plan'

export interface FitOptions {
  threads: number
  seed: number
  signal?: AbortSignal | undefined
  onProgress?: ((progress: LabelledProgress) => void) | undefined
  /** Where the head of a training goes, by the number of its fold. */
  headPath?: ((fold: number) => string) | undefined
}

export interface FittedFigures {
  figures: ProbeFigures
  /** Of each training, what it says of each utterance of the test. */
  predictions: Int32Array[][]
}

/** Throws ERR_NO_SPACE, ERR_IO where heads are written. */
export async function fitProbe(
  probe: PlannedProbe,
  states: GatheredStates,
  spec: SpeechSpec,
  options: FitOptions,
): Promise<FittedFigures> {
  const { name, kind, label, layers } = probe.config
  const folds: ProbeFold[] = []
  const predictions: Int32Array[][] = []
  for (const [i, train] of probe.trains.entries()) {
    const fitted = await fittedOn(probe, train, states, spec, { ...options, fold: i })
    const foretold = fitted.predictions.map((numbers) => new Int32Array(numbers))
    folds.push(foldOf(probe, train, fitted, foretold))
    predictions.push(foretold)
  }
  const classes = probe.classes.length - KINDS[kind].blanks
  const told = { name, kind, label, layers, classes, ...meanOf(folds) }
  return { figures: folds.length > 1 ? { ...told, folds } : told, predictions }
}

async function fittedOn(
  { config, classes, trains, test }: PlannedProbe,
  train: PlannedExamples,
  states: GatheredStates,
  spec: SpeechSpec,
  { fold, threads, seed, signal, onProgress, headPath }: FitOptions & { fold: number },
): Promise<FittedProbe> {
  const { standardize, steps, batch_size = 0, lr, weight_decay } = config
  const { objective, pooled } = KINDS[config.kind]
  const label = trains.length > 1 ? `${config.name}, fold ${fold + 1}` : config.name
  const call = {
    states: states.store(pooled),
    layers: layersOf(config, spec).map((layer) => states.layers.indexOf(layer)),
    ...{ objective, standardize, classes: classes.length },
    ...{ steps, batch_size, lr, weight_decay, seed, threads, train, test },
    path: headPath?.(fold),
  }
  return runJob('fitProbe', call, {
    signal,
    onProgress: (progress: object) =>
      onProgress?.({ label, ...(progress as { done: number; total: number }) }),
  })
}

function foldOf(
  { config, test }: PlannedProbe,
  train: PlannedExamples,
  { course, loss, layer_weights }: FittedProbe,
  predictions: readonly Numbers[],
): ProbeFold {
  const scored = KINDS[config.kind].score(test.targets, predictions)
  const chance = config.kind === 'sequence' ? {} : { chance: chanceOf(train, test) }
  return {
    train: { n: train.utterances.length, loss: course.at(-1)! },
    test: { n: test.utterances.length, nll: loss, ...scored, ...chance },
    layer_weights,
  }
}

function chanceOf(train: PlannedExamples, test: PlannedExamples): number {
  const [learned, judged] = [countsOf(train), countsOf(test)]
  const [most] = [...learned].reduce((best, one) => (one[1] > best[1] ? one : best))
  const all = [...judged.values()].reduce((a, b) => a + b, 0)
  return (judged.get(most) ?? 0) / all
}

function countsOf({ targets }: PlannedExamples): Map<number, number> {
  const counts = new Map<number, number>()
  for (const target of targets)
    for (const number of target) if (number >= 0) counts.set(number, (counts.get(number) ?? 0) + 1)
  return counts
}
