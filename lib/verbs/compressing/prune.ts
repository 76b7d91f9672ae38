/** Weights become zero where they stand: by magnitude, by Wanda or by SparseGPT. */
import type { JsonObject } from '../../checkpoint/json_file'
import { BLOCK, DAMPING, nOfM, type PruneStage } from '../../config/compress/prune'
import { type PrunedTensor, runJob } from '../../native'
import { chosenLayers } from './named_linears'
import { prunableLayers, zerosOf } from './prunable'
import { impossible, type Shape, type Stage } from './stage'

export const prune: Stage<PruneStage> = {
  calibrates: ({ criterion }) => criterion !== 'magnitude',

  predict(shape, config) {
    const all = prunableLayers(shape.spec)
    const chosen = chosenLayers(all, config)
    const zeros = zerosOf(chosen, config)
    const doubt = whatIsNotKnown(shape, config, chosen.length === all.length)
    return {
      ...shape,
      zeros: Math.max(zeros, shape.zeros),
      ...(zeros > 0 && doubt !== undefined && { unknown: shape.unknown ?? doubt }),
    }
  },

  // Fast at first, while there is much to spare (Zhu & Gupta 2017, arXiv 1710.01878).
  divide(_shape, config, steps) {
    const { sparsity } = config
    if (sparsity === undefined)
      throw impossible(
        'steps',
        'expected 1 with a pattern, received more',
        'A sparsity can be reached in steps.',
      )
    return Array.from({ length: steps }, (_, i) => ({
      ...config,
      sparsity: i + 1 === steps ? sparsity : sparsity * (1 - (1 - (i + 1) / steps) ** 3),
    }))
  },

  async run(config, { model, spec, calibration, threads, signal, onProgress }) {
    const { criterion, sparsity = 0, scope = 'global', biases, damping = DAMPING, block = BLOCK } = config
    const layers = chosenLayers(prunableLayers(spec), config).map(({ name }) => name)
    const pattern = nOfM(config.pattern)
    const options = {
      criterion,
      sparsity,
      ...(pattern && { pattern }),
      layers,
      scope,
      biases,
      damping,
      block,
    }
    const tensors = await runJob(
      'pruneWeights',
      { model, batches: calibration, threads, ...options },
      { signal, onProgress },
    )
    return prunedFigures(tensors)
  },
}

/** Where zeros lie before, and which of them are taken again, sizes do not tell; nor what is in a bias. */
function whatIsNotKnown(shape: Shape, config: PruneStage, everywhere: boolean): string | undefined {
  const { criterion, scope = 'global', biases, pattern } = config
  const pool = criterion === 'magnitude' && scope === 'global' && pattern === 'unstructured' && everywhere
  if (biases) return 'how many of the zeros are in biases'
  if (!pool && shape.open?.length) return 'how large each matrix is'
  if (!pool && shape.zeros > 0) return 'which of the zeros were there before'
  return undefined
}

function prunedFigures(tensors: readonly PrunedTensor[]): JsonObject {
  const sum = (key: 'size' | 'zeros') => tensors.reduce((total, tensor) => total + tensor[key], 0)
  const raised = tensors.filter(({ retries }) => retries !== undefined && retries > 0)
  return {
    weights: sum('size'),
    zeros: sum('zeros'),
    sparsity: sum('zeros') / sum('size'),
    ...(raised.length > 0 && { damping_raised: raised.map(({ name }) => name) }),
    tensors: tensors.map(({ name, size, zeros, error, damping, retries }) => ({
      name,
      sparsity: zeros / size,
      ...(error !== undefined && { error }),
      ...(damping !== undefined && { damping, retries: retries! }),
    })),
  }
}
