/** Heads that leave by their numbers: what may be named, and what stays. */
import type { LayerSpec } from '../../checkpoint/layers'
import { impossible } from './stage'

/** Numbers of query heads, by the number of their layer. */
export type NamedHeads = Readonly<Record<string, readonly number[]>>

/**
 * The query heads of each layer that stay, ascending. Throws `impossible` for layers and heads that are not there, where
 * none of a layer would stay, and where key heads would serve unequally many.
 */
export function headsBesides(named: NamedHeads, layers: readonly LayerSpec[]): number[][] {
  const missing = Object.keys(named).find((layer) => Number(layer) >= layers.length)
  if (missing !== undefined)
    throw impossible('heads', `expected layers from 0 to ${layers.length - 1}, received ${missing}`)
  return layers.map((layer, i) => (named[i] ? keptOf(named[i], layer, i) : allOf(layer)))
}

/** The layer with so many of its query heads, and the key heads that serve them. */
export function layerWith(layer: LayerSpec, heads: readonly number[]): LayerSpec {
  return { ...layer, num_heads: heads.length, num_kv_heads: perKeyHead(layer, heads).size }
}

const allOf = ({ num_heads }: LayerSpec) => [...Array(num_heads).keys()]

function keptOf(gone: readonly number[], layer: LayerSpec, number: number): number[] {
  const key = `heads.${number}`
  const all = allOf(layer)
  const missing = gone.find((head) => head >= all.length)
  if (missing !== undefined)
    throw impossible(key, `expected numbers from 0 to ${all.length - 1}, received ${missing}`)
  const kept = all.filter((head) => !gone.includes(head))
  if (kept.length === 0)
    throw impossible(key, `expected at least one of ${all.length} heads to stay, received all of them`)
  const served = [...perKeyHead(layer, kept).values()]
  if (new Set(served).size > 1) {
    const shared = all.length / layer.num_kv_heads
    throw impossible(
      key,
      `expected heads that leave every key head equally many, received ${gone.join(', ')}, which leave them ${served.join(', ')}`,
      `A key head serves ${shared} query heads in a row: name all of one, 0 to ${shared - 1} say, or equally many of each.`,
    )
  }
  return kept
}

/** How many of these query heads each key head serves that serves any. */
function perKeyHead({ num_heads, num_kv_heads }: LayerSpec, heads: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>()
  for (const head of heads) {
    const key = Math.floor(head / (num_heads / num_kv_heads))
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}
