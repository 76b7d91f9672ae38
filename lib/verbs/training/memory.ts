/** What a run keeps in memory and on disk, in closed form. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { ModelSpec } from '../../checkpoint/model_spec'
import type { TrainConfig } from '../../config/train'
import { countParameters } from '../../counting/parameters'
import type { TrainPlan as WholePlan } from './plan'

/** What of a plan counts here: known before data are read. */
export type TrainPlan = Pick<WholePlan, 'config' | 'spec' | 'trained' | 'teaching'>

type Optimizer = TrainConfig['optimizer']
type Shape = readonly number[]

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1)
const total = (shapes: readonly Shape[]) => shapes.reduce((all, shape) => all + size(shape), 0)
/** Second moments of adafactor: of rows and columns of the last two dimensions, where there are two. */
const factored = (shape: Shape) =>
  shape.length < 2 ? size(shape) : size(shape.slice(0, -1)) + size(shape.toSpliced(-2, 1))

/** Bytes that an optimizer keeps of one parameter: a row a kind. */
const STATE_BYTES: Record<Optimizer['kind'], (shape: Shape, optimizer: Optimizer) => number> = {
  adamw: (shape) => 8 * size(shape),
  adafactor: (shape, { beta1 }) => 4 * factored(shape) + (beta1 ? 4 * size(shape) : 0),
}

/** Moments of all that is trained. */
export function optimizerBytes({ config: { optimizer }, trained }: TrainPlan): number {
  return trained.shapes.reduce((total, shape) => total + STATE_BYTES[optimizer.kind](shape, optimizer), 0)
}

/** Of masks: a byte for each weight that may be pruned. */
function maskBytes({ config, trained }: TrainPlan): number {
  return config.pruning || config.keep_zeros ? total(trained.prunable) : 0
}

/** What is trained, in float32, its moments and masks. */
export const checkpointBytes = (plan: TrainPlan) =>
  4 * plan.trained.parameters + optimizerBytes(plan) + maskBytes(plan)
export const modelBytes = ({ spec }: TrainPlan) => 4 * countParameters(spec)

const MIB = 2 ** 20

const bytesOf = (dtype: string) => (dtype === 'float32' ? 4 : 2)

/** Activations at their most: what a micro-step keeps for the gradient, and what it needs for a moment on top. */
export function activationBytes(plan: TrainPlan): number {
  const teacher = plan.teaching && teacherActivations(plan)
  const own = ownActivations(plan)
  return teacher ? Math.max(teacher.passing, own + teacher.kept) : own
}

// A teacher runs first, and keeps nothing for a gradient: its last states and those to match stay until they are
// compared, chunks of its logits stand beside the student's.
function teacherActivations({ config, spec, teaching }: TrainPlan) {
  const tokens = config.batch_size * config.sequence_length
  const { spec: theirs, dtype } = teaching!
  const width = bytesOf(dtype)
  const pairs = config.distil.hidden?.layers.length ?? 0
  const states = tokens * width * theirs.hidden_size * (1 + pairs)
  const logits = logitBytes(config, theirs, width)
  const compared = 4 * tokens * pairs * (theirs.hidden_size + spec.hidden_size) // in float32, and their gradients
  return {
    passing: states + tokens * (largestBlockBytes(theirs, width) + 4 * width * theirs.hidden_size),
    kept: states + logits + compared,
  }
}

function ownActivations({ config, spec, trained }: TrainPlan): number {
  const tokens = config.batch_size * config.sequence_length
  const width = config.dtype === 'float32' ? 4 : 2
  const recorded = spec.layers.slice(spec.layers.length - trained.recorded_blocks)
  const { hidden_size: D } = spec
  const inFlight = width * (2 * D + 2 * widest(spec)) // gradients on their way through a block
  const head = width * 4 * D
  const logits = logitBytes(config, spec, width)
  if (config.activation_checkpointing === 'none') {
    const blocks = recorded.reduce((sum, layer) => sum + blockBytes(spec, layer, width), 0)
    return tokens * blocks + Math.max(tokens * head + logits, tokens * inFlight)
  }
  const kept = width * 2 * D // what goes into a block: the residual stream, and what is to be added to it
  const block = largestBlockBytes(spec, width)
  return tokens * recorded.length * kept + Math.max(tokens * head + logits, tokens * (block + inFlight))
}

const widest = ({ layers }: ModelSpec) =>
  Math.max(...layers.map(({ intermediate_size }) => intermediate_size))

export const largestBlockBytes = (spec: ModelSpec, width: number) =>
  Math.max(...spec.layers.map((layer) => blockBytes(spec, layer, width)))

// Of one token: norms' inputs and outputs, queries and keys before and after their norms and turning, values, what
// attention gives, three rows of the feed-forward block, what goes between two factors; and statistics in float32. An
// encoder turns nothing and has two such rows.
function blockBytes(spec: ModelSpec, layer: LayerSpec, width: number): number {
  const { hidden_size: D, head_dim: H } = spec
  const { num_heads: N, num_kv_heads: K, intermediate_size: F } = layer
  if (spec.kind !== 'decoder') return width * (4 * D + 4 * N * H + 2 * F + rankSum(layer)) + 4 * (4 + N)
  const copies = spec.qk_norm ? 3 : 2
  const statistics = 2 + N + (spec.qk_norm ? N + K : 0)
  return width * (4 * D + copies * (N + K) * H + 3 * F + rankSum(layer)) + 4 * statistics
}

const rankSum = ({ ranks }: LayerSpec) => Object.values(ranks).reduce((sum, rank) => sum + rank, 0)

// As native/kernels/head_chunks.cpp cuts them.
export function logitRows(tokens: number, vocabulary: number, width: number): number {
  return Math.min(tokens, Math.max(256, Math.floor((64 * MIB) / (vocabulary * width))))
}

// On a GPU equal pieces of whole tiles.
function gpuLogitRows(tokens: number, vocabulary: number, width: number): number {
  const most = Math.max(2048, Math.floor((1024 * MIB) / (vocabulary * width)))
  const pieces = Math.max(1, Math.ceil(tokens / most))
  return Math.min(tokens, Math.ceil(tokens / pieces / 128) * 128)
}

function logitBytes(
  { batch_size, sequence_length, device }: TrainConfig,
  { vocab_size }: ModelSpec,
  width: number,
): number {
  const rows = device === 'cpu' ? logitRows : gpuLogitRows
  return rows(batch_size * sequence_length, vocab_size, width) * vocab_size * width
}

/** Node and libtorch, before any tensor: measured. */
export const PROCESS_BYTES = 220e6
/** glibc maps larger pieces one by one, and gives them back; of smaller ones freed room stays in its heap. */
const HEAP_PIECE = 32 * MIB

// Measured: as much as five rows of the feed-forward block, the largest pieces that come and go.
function allocatorSlack({ config, spec }: TrainPlan): number {
  const width = config.dtype === 'float32' ? 4 : 2
  const piece = config.batch_size * config.sequence_length * widest(spec) * width
  return piece < HEAP_PIECE ? 5 * piece : 0
}

/** Of a GPU, beside tensors: what its libraries work in, and pieces too small to be of use. An estimate. */
const GPU_BYTES = 300e6

/**
 * The process at its most, or the GPU that it trains on. Gradients of weights come as activations go, so the larger of the two counts; of several
 * micro-steps the sum so far stays beside them.
 */
export function peakBytes(plan: TrainPlan): number {
  return plan.config.device === 'cpu' ? processBytes(plan) : gpuBytes(plan)
}

function processBytes(plan: TrainPlan): number {
  const { config, spec, trained } = plan
  const gradients = 4 * trained.parameters
  const fixed = memoryBytes(plan) - gradients
  const several = config.accumulation > 1
  const arriving = several && config.dtype !== 'float32' ? gradients / 2 : gradients
  const ofHead = trained.head ? 4 * spec.vocab_size * spec.hidden_size : 0
  const copy = config.checkpoint.async ? checkpointBytes(plan) : 0
  const inStep = Math.max(activationBytes(plan) + ofHead, arriving)
  return PROCESS_BYTES + allocatorSlack(plan) + fixed + copy + (several ? gradients : 0) + inStep
}

// Gradients of a single micro-step stay in the dtype of their weights; copies of a state are made in main memory.
function gpuBytes(plan: TrainPlan): number {
  const { config, spec, trained } = plan
  const width = bytesOf(config.dtype)
  const fixed = memoryBytes(plan) - 4 * trained.parameters
  const arriving = width * trained.parameters
  const summed = config.accumulation > 1 ? 4 * trained.parameters : 0
  const ofHead = trained.head ? 4 * spec.vocab_size * spec.hidden_size : 0
  return GPU_BYTES + fixed + summed + Math.max(activationBytes(plan) + ofHead, arriving)
}

/**
 * Weights in their dtype, the teacher's too; of what is trained float32 values, where the weights are not, gradients,
 * moments and masks.
 */
export function memoryBytes(plan: TrainPlan): number {
  const { config, spec, trained, teaching } = plan
  const half = config.dtype !== 'float32'
  const teacher = teaching ? bytesOf(teaching.dtype) * countParameters(teaching.spec) : 0
  return (
    teacher +
    (half ? 2 : 4) * countParameters(spec) +
    4 * (trained.parameters - trained.own_parameters) +
    (half ? 4 : 0) * trained.own_parameters +
    4 * trained.parameters +
    optimizerBytes(plan) +
    maskBytes(plan)
  )
}
