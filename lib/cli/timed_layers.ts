import type { Model } from '../index'
import { tableText } from './print'

type Layers = NonNullable<Model['sparse']>

/** What timing has found: a row a layer, times in microseconds; marked is what is used. */
export function sparseText(layers: Layers): string {
  if (layers.length === 0) return 'no layer has enough zeros to be sparse\n'
  const rows = layers.map(({ name, zeros, one, more }) => ({
    layer: name,
    zeros: zeros.toFixed(3),
    'one row, dense': microseconds(one.dense_seconds),
    'sparse ': timed(one),
    'prompt, dense': microseconds(more.dense_seconds),
    sparse: timed(more),
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
const timed = ({ sparse_seconds, sparse }: Layers[number]['one']) =>
  `${microseconds(sparse_seconds)}${sparse ? ' *' : ''}`
