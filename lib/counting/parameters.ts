/** Numbers that a model holds, and the bytes that they take on disk, in closed form. */
import type { Dtype } from '../checkpoint/config_checks'
import type { ModelSpec } from '../checkpoint/model_spec'
import { convolutionParameters } from './convolution'
import {
  attentionLinears,
  blockLinears,
  type LinearSize,
  type Matrix,
  type ModelSize,
  matricesOf,
} from './model_size'
import { modelSize } from './registry'

/** Parameters by what they are for; biases are with what they are added to. */
export interface ParameterParts {
  /** Of tokens and positions. */
  embedding: number
  /** Convolutions and projections before the blocks. */
  front: number
  /** Its linear layers. */
  attention: number
  /** Its linear layers. */
  feed_forward: number
  /** All norms. */
  norm: number
  /** The output layer; 0 where it is the embedding. */
  head: number
}

/** A tied head counts once, as embedding. */
export function parameterParts({
  input,
  tables,
  projections,
  positional,
  blocks,
  heads,
  norms,
}: ModelSize): ParameterParts {
  const convolutions = [
    ...(input.kind === 'convolutions' ? input.layers : []),
    ...(positional ? [positional] : []),
  ]
  return {
    embedding: sumOf(tables, ({ rows, columns }) => rows * columns),
    front: sumOf(convolutions, convolutionParameters) + sumOf(projections, linearParameters),
    attention: sumOf(blocks, ({ attention }) => sumOf(attentionLinears(attention), linearParameters)),
    feed_forward: sumOf(blocks, ({ feed_forward }) => sumOf(feed_forward, linearParameters)),
    norm: norms + sumOf(blocks, (block) => block.norms),
    head: sumOf(heads, (head) => (head.tied ? biasNumbers(head) : linearParameters(head))),
  }
}

/** Number of parameters that a spec implies; a tied head counts once. */
export const countParameters = (spec: ModelSpec): number => totalOf(parameterParts(modelSize(spec)))

export const totalOf = (parts: ParameterParts): number =>
  Object.values(parts).reduce((sum, numbers) => sum + numbers, 0)

/** How many bytes a matrix takes, where that is not its numbers in the dtype of the rest: quantised formats. */
export type MatrixBytes = (matrix: Matrix) => number | undefined

export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = { float32: 4, bfloat16: 2, float16: 2 }

/** Of all weights, without headers. `matrixBytes` is asked of every matrix of a linear layer in the blocks. */
export function storedBytes(
  size: ModelSize,
  dtype: Dtype,
  matrixBytes: MatrixBytes = () => undefined,
): number {
  const width = DTYPE_BYTES[dtype]
  let bytes = width * totalOf(parameterParts(size))
  for (const matrix of blockMatrices(size)) {
    const given = matrixBytes(matrix)
    if (given !== undefined) bytes += given - width * matrix.rows * matrix.columns
  }
  return bytes
}

/** What pruning and quantisation work on: the weights of all linear layers in the blocks. */
export function* blockMatrices({ blocks }: ModelSize): Generator<Matrix> {
  for (const linear of blocks.flatMap(blockLinears)) yield* matricesOf(linear)
}

function linearParameters(linear: LinearSize): number {
  return sumOf(matricesOf(linear), ({ rows, columns }) => rows * columns) + biasNumbers(linear)
}

const biasNumbers = ({ bias, outputs }: LinearSize) => (bias ? outputs : 0)

const sumOf = <Item>(items: readonly Item[], numbers: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + numbers(item), 0)
