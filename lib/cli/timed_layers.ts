import type { Model } from '../index'
import { tableText } from './print'

type Layers = NonNullable<Model['sparse']>
type PackedLayers = NonNullable<Model['packed']>

/** What timing has found: a row a layer, times in microseconds; marked is what is used. */
export function sparseText(layers: Layers): string {
  if (layers.length === 0) return 'no layer has enough zeros to be sparse\n'
  const rows = layers.map(({ name, zeros, one, more }) => ({
    layer: name,
    zeros: zeros.toFixed(3),
    'one row, dense': microseconds(one.dense_seconds),
    'sparse ': timed(one.sparse_seconds, one.sparse),
    'prompt, dense': microseconds(more.dense_seconds),
    sparse: timed(more.sparse_seconds, more.sparse),
  }))
  return tableText(rows)
}

/** The same of quantised layers. */
export function packedText(layers: PackedLayers): string {
  if (layers.length === 0) return 'no layer can be multiplied packed: that takes bfloat16 on the CPU\n'
  const rows = layers.map(({ name, bits, one, more }) => ({
    layer: name,
    bits: String(bits),
    'one row, dense': microseconds(one.dense_seconds),
    'packed ': timed(one.packed_seconds, one.packed),
    'prompt, dense': microseconds(more.dense_seconds),
    packed: timed(more.packed_seconds, more.packed),
  }))
  return tableText(rows)
}

/** The same of a model in lines, for stderr; nothing where no layer was timed. */
export const timedSummary = ({ sparse, packed }: Pick<Model, 'sparse' | 'packed'>): string[] => [
  ...(sparse ? [inLine('sparse', 'with zeros', sparse, ({ sparse }) => sparse)] : []),
  ...(packed ? [inLine('packed', 'of whole numbers', packed, ({ packed }) => packed)] : []),
]

function inLine<Times>(
  way: string,
  kind: string,
  layers: readonly { one: Times; more: Times }[],
  isUsed: (times: Times) => boolean,
): string {
  const count = (of: 'one' | 'more') => layers.filter((layer) => isUsed(layer[of])).length
  return `${way}: of ${layers.length} layers ${kind} ${count('one')} when decoding, ${count('more')} on a prompt`
}

const microseconds = (seconds: number) => (seconds * 1e6).toFixed(0)
const timed = (seconds: number, used: boolean) => `${microseconds(seconds)}${used ? ' *' : ''}`
