/** Weights become whole numbers with scales: to the nearest value, or by GPTQ. The last stage. */
import type { JsonObject } from '../../checkpoint/json_file'
import { type Quantization, quantizationConfig } from '../../checkpoint/quantization_config'
import { DAMPING } from '../../config/compress/prune'
import type { QuantizeStage } from '../../config/compress/quantize'
import { modelSize } from '../../counting/registry'
import { type QuantizedTensor, runJob } from '../../native'
import { chosenLayers, type NamedLinear, namedLinears } from './named_linears'
import { impossible, type Shape, type Stage } from './stage'

export const quantize: Stage<QuantizeStage> = {
  calibrates: ({ gptq }) => gptq,

  predict(shape, config) {
    const { spec, open } = shape
    if (spec.kind === 'speech')
      throw impossible(
        'method',
        'expected a model of text, received a speech encoder',
        'Leave this stage out: we read no quantised speech encoders.',
      )
    const group = groupOf(config)
    for (const linear of chosenLayers(namedLinears(spec), config)) checkLinear(linear, group)
    const quantized = quantizationBy(config, spec)
    return { ...shape, quantized, ...(open?.length && { unknown: 'how large each matrix is' }) }
  },

  async run(config, { model, spec, calibration, threads, signal, onProgress }) {
    const { bits, symmetric, gptq, damping = DAMPING } = config
    const layers = chosenLayers(namedLinears(spec), config).map(({ name }) => name)
    const options = { bits, group: groupOf(config), symmetric, gptq, damping, layers }
    const tensors = await runJob(
      'quantizeWeights',
      { model, batches: calibration, threads, ...options },
      { signal, onProgress },
    )
    return quantizedFigures(tensors)
  },

  configKeys: (config, spec) => quantizationConfig(quantizationBy(config, spec)),
}

const groupOf = ({ group, bits }: QuantizeStage) => group ?? (bits === 4 ? 128 : 0)

// Other loaders look for whole numbers in every linear layer that is not named.
function quantizationBy(config: QuantizeStage, spec: Shape['spec']): Quantization {
  const all = namedLinears(spec)
  const chosen = new Set(chosenLayers(all, config).map(({ name }) => name))
  const others = all.filter(({ name }) => !chosen.has(name)).map(({ stored }) => stored)
  const { projections, heads } = modelSize(spec)
  const outside = [...projections, ...heads].map(({ name }) => name)
  const { bits, symmetric } = config
  return { bits, group: groupOf(config), symmetric, ignore: [...outside, ...others] }
}

const LEAST = 8 // inputs: with fewer, 4 and 8 bits take as many words

function checkLinear({ name, in: inputs, rank }: NamedLinear, group: number): void {
  if (rank !== undefined)
    throw impossible(
      'exclude',
      `expected whole matrices, received ${name}, which is factored`,
      'Exclude this layer, or multiply it back: lowrank with dense: true.',
    )
  if (inputs < LEAST)
    throw impossible('exclude', `expected at least ${LEAST} inputs, received ${name} of ${inputs}`)
  if (group > 0 && inputs % group !== 0)
    throw impossible(
      'group',
      `expected the inputs of ${name} to be groups of ${group}, received ${inputs} inputs`,
      `Take a group that divides them, such as ${divisorNear(inputs, group)}, or exclude this layer.`,
    )
}

function divisorNear(inputs: number, group: number): number {
  let divisor = Math.min(group, inputs)
  while (inputs % divisor !== 0) divisor--
  return divisor
}

/** Bytes of a matrix (rows, columns): codes in whole words, scales, the shape, zero points. */
export function quantizedBytes(
  { bits, group, symmetric }: Quantization,
  { rows, columns }: { rows: number; columns: number },
  scaleBytes: number,
): number {
  const words = (codes: number) => Math.ceil((codes * bits) / 32)
  const groups = group > 0 ? columns / group : 1
  const zeroPoints = symmetric ? 0 : 4 * words(rows) * groups
  return 4 * rows * words(columns) + scaleBytes * rows * groups + 16 + zeroPoints
}

function quantizedFigures(tensors: readonly QuantizedTensor[]): JsonObject {
  const sum = (key: 'size' | 'zeros') => tensors.reduce((total, tensor) => total + tensor[key], 0)
  const raised = tensors.filter(({ retries }) => retries !== undefined && retries > 0)
  return {
    weights: sum('size'),
    zeros: sum('zeros'),
    ...(raised.length > 0 && { damping_raised: raised.map(({ name }) => name) }),
    tensors: tensors.map(({ size: _, zeros: _z, ...tensor }) => ({ ...tensor })),
  }
}
