/**
 * Multiplications and additions (MACs) of one pass over one row, in closed form; docs/counting.md says what is in.
 *
 * `core` counts what is multiplied with weights, and attention as the full square of positions: what torch counts.
 * `superb` adds what the benchmark SUPERB's counter adds (Tsai et al. 2022, arXiv 2203.06849): its published figure for
 * HuBERT comes out to the last digit.
 */
import { kernelNumbers, outputLength } from './convolution'
import { type AttentionSize, attentionLinears, type Matrix, type ModelSize, matricesOf } from './model_size'

export interface MacParts {
  /** Convolutions and projections before the blocks. */
  front: number
  /** The linear layers of attention. */
  attention: number
  /** Queries with keys, and their weights with values. */
  scores: number
  /** The linear layers of the feed-forward networks. */
  feed_forward: number
  /** The output layer. */
  head: number
}

export interface Macs {
  /** Multiply-accumulates of products with weights, and of attention as the full square of positions. */
  core: number
  /** `core`, and what the counter of SUPERB counts beside it: docs/counting.md. */
  superb: number
  /** Positions of the row: of T tokens T. */
  positions: number
  /** Of `core`, which is their sum. */
  parts: MacParts
  /** `core` with only the pairs of positions that a causal mask and windows let through. */
  visible: number
}

/** `length`: tokens, or samples of audio. */
export function countMacs(size: ModelSize, length: number): Macs {
  const positions = positionsOf(size, length)
  const parts: MacParts = { front: 0, attention: 0, scores: 0, feed_forward: 0, head: 0 }
  for (const { part, rows, columns, times } of products(size, length)) parts[part] += rows * columns * times
  const pairs = (ofBlock: (attention: AttentionSize) => number) =>
    size.blocks.reduce((sum, { attention }) => sum + 2 * widthOf(attention) * ofBlock(attention), 0)
  parts.scores = pairs(() => positions * positions)
  const core = Object.values(parts).reduce((sum, macs) => sum + macs, 0)
  const visible = core - parts.scores + pairs((attention) => visiblePairs(attention, positions))
  return { core, superb: core + superbExtras(size, positions), positions, parts, visible }
}

/**
 * MACs that are left where products with zeros of the weights are not counted; `zeros` by tensor. Nothing where the
 * zeros of a weight are not known.
 */
export function effectiveMacs(
  size: ModelSize,
  length: number,
  zeros: ReadonlyMap<string, number>,
): Pick<Macs, 'core' | 'superb'> | undefined {
  const { core, superb } = countMacs(size, length)
  let spared = 0
  for (const { tensor, times } of products(size, length)) {
    const count = zeros.get(tensor)
    if (count === undefined) return undefined
    spared += count * times
  }
  return { core: core - spared, superb: superb - spared }
}

/** Positions that the blocks see. */
export function positionsOf({ input }: ModelSize, length: number): number {
  if (input.kind === 'tokens') return length
  if (input.kind === 'convolutions')
    return input.layers.reduce((left, layer) => outputLength(layer, left), length)
  const frames = Math.max(0, Math.floor((length - input.window) / input.hop) + 1)
  return Math.ceil(frames / input.stacked)
}

/** The shortest row that gives so many positions: tokens, or samples. */
export function lengthFor({ input }: ModelSize, positions: number): number {
  if (input.kind === 'tokens') return positions
  if (input.kind === 'convolutions')
    return input.layers.reduceRight(
      (length, { kernel, stride, padding }) => (length - 1) * stride + kernel - 2 * padding,
      positions,
    )
  return (positions * input.stacked - input.stacked) * input.hop + input.window
}

/** A weight, and how often each of its numbers is multiplied. */
export interface Product extends Matrix {
  part: Exclude<keyof MacParts, 'scores'>
  times: number
}

/** Every product with a weight in a pass over one row; a factored layer makes two. */
export function* products(size: ModelSize, length: number): Generator<Product> {
  const times = positionsOf(size, length)
  yield* frontProducts(size, length, times)
  for (const { attention, feed_forward } of size.blocks) {
    for (const linear of attentionLinears(attention))
      for (const matrix of matricesOf(linear)) yield { ...matrix, part: 'attention', times }
    for (const linear of feed_forward)
      for (const matrix of matricesOf(linear)) yield { ...matrix, part: 'feed_forward', times }
  }
  for (const head of size.heads) {
    if (head.runs === 'training') continue
    for (const matrix of matricesOf(head)) {
      const tensor = head.tied ?? matrix.tensor
      yield { ...matrix, tensor, part: 'head', times: head.runs === 'row' ? 1 : times }
    }
  }
}

function* frontProducts(
  { input, projections, positional }: ModelSize,
  length: number,
  positions: number,
): Generator<Product> {
  let left = length
  for (const layer of input.kind === 'convolutions' ? input.layers : []) {
    left = outputLength(layer, left)
    yield convolutionProduct(layer, left)
  }
  for (const linear of projections)
    for (const matrix of matricesOf(linear)) yield { ...matrix, part: 'front', times: positions }
  if (positional && positions > 0) yield convolutionProduct(positional, outputLength(positional, positions))
}

function convolutionProduct(layer: Parameters<typeof kernelNumbers>[0], times: number): Product {
  const tensor = `${layer.name}.${layer.weight_norm ? 'weight_v' : 'weight'}`
  return { tensor, rows: layer.outputs, columns: kernelNumbers(layer) / layer.outputs, part: 'front', times }
}

const widthOf = ({ heads, head_dim }: AttentionSize) => heads * head_dim

/** Pairs of a position and one that it sees. */
export function visiblePairs(
  { causal, window }: Pick<AttentionSize, 'causal' | 'window'>,
  positions: number,
): number {
  if (!causal) return positions * positions
  const seen = window === 0 ? positions : Math.min(window, positions)
  return (seen * (seen + 1)) / 2 + (positions - seen) * seen
}

// A bias of q, k and v once a position, the scaling of q, and for each score: mask 1, softmax 2, dropout 1 (counted
// where nothing is dropped, too).
function superbExtras({ blocks }: ModelSize, positions: number): number {
  return blocks.reduce((sum, { attention }) => {
    const { q, k, v, heads } = attention
    const biases = [q, k, v].reduce((total, { bias, outputs }) => total + (bias ? outputs : 0), 0)
    return sum + positions * (biases + widthOf(attention)) + 4 * heads * positions * positions
  }, 0)
}
