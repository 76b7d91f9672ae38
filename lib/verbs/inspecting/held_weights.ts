/** What the weight files of a model folder hold, by the weights that they stand for. */
import type { ModelSpec } from '../../checkpoint/model_spec'
import { lengthFor, products } from '../../counting/macs'
import type { ModelSize } from '../../counting/model_size'
import { modelSize } from '../../counting/registry'
import { type ByteProgress, runJob, type TensorDescription, type ValueCounts } from '../../native'

export interface HeldWeights {
  /** As the files name them. A quantised weight is one tensor, of dtype I4 or I8. */
  tensors: TensorDescription[]
  /** Of all tensors as they are stored, without headers. */
  bytes: number
  scan: ValueCounts[]
}

interface Callbacks {
  signal?: AbortSignal | undefined
  onProgress?: ((progress: ByteProgress) => void) | undefined
}

/** Reads every value. */
export async function heldWeights(
  folder: string,
  spec: ModelSpec,
  { signal, onProgress }: Callbacks,
): Promise<HeldWeights> {
  const weights = await runJob('inspectWeights', { folder, scan: true }, { signal, onProgress })
  const { tensors, total_bytes: bytes, scan = [] } = weights
  if (spec.kind === 'speech' || spec.quantization === undefined) return { tensors, bytes, scan }
  const packed = await runJob('inspectPacked', { folder }, { signal })
  const parts = new Set(packed.flatMap(({ stored_as }) => stored_as))
  const whole = <Row extends { name: string }>(rows: readonly Row[]) =>
    rows.filter(({ name }) => !parts.has(name))
  return {
    tensors: [
      ...whole(tensors),
      ...packed.map(({ name, shape, bits }) => ({ name, dtype: `I${bits}`, shape })),
    ],
    bytes,
    scan: [...whole(scan), ...packed.map(({ name, nan, inf, zero }) => ({ name, nan, inf, zero }))],
  }
}

/** Numbers in tensors, each once: a head that is tied is no other than its table, also where a file has both. */
export function numbersIn(
  { tensors, scan }: { tensors: readonly TensorDescription[]; scan?: readonly ValueCounts[] | undefined },
  spec: ModelSpec,
): { total: number; zeros: number | undefined } {
  const copies = copiesAmong(new Set(tensors.map(({ name }) => name)), modelSize(spec))
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0)
  const counted = <Row extends { name: string }>(rows: readonly Row[]) =>
    rows.filter(({ name }) => !copies.has(name))
  return {
    total: sum(counted(tensors).map(({ shape }) => shape.reduce((product, length) => product * length, 1))),
    zeros: scan && sum(counted(scan).map(({ zero }) => zero)),
  }
}

/** Of a tied head the weight, and its bias, which the families store a level above it as well. */
function copiesAmong(names: ReadonlySet<string>, { heads }: ModelSize): Set<string> {
  const copies = heads.flatMap(({ name, tied }) => {
    if (tied === undefined) return []
    const above = `${name.slice(0, name.lastIndexOf('.') + 1)}bias`
    return [...(names.has(tied) ? [`${name}.weight`] : []), ...(names.has(above) ? [`${name}.bias`] : [])]
  })
  return new Set(copies)
}

/** Counts of values by the names that sizes have: files of a base model lack the family's prefix, or have one too many. */
export function bySizeName(scan: readonly ValueCounts[], spec: ModelSpec): ValueCounts[] {
  const size = modelSize(spec)
  const known = new Set([...products(size, lengthFor(size, 1))].map(({ tensor }) => tensor))
  const prefix = `${spec.architecture}.`
  const called = (name: string) => {
    const others = [prefix + name, ...(name.startsWith(prefix) ? [name.slice(prefix.length)] : [])]
    return known.has(name) ? name : (others.find((other) => known.has(other)) ?? name)
  }
  return scan.map((counts) => ({ ...counts, name: called(counts.name) }))
}
