/** What the stages share that take parts out of a model: heads, rows, layers. */
import type { LayerSpec } from '../../checkpoint/layers'
import type { RemovalInputs } from '../../native'
import { ownLoss } from '../training/own_loss'
import type { Shape, StageContext } from './stage'
import { isOpen, type LayerUnits, type UnitBudget } from './unit_budget'

/** What native code is told, whatever goes. The loss is the model's own. */
export const removalInputs = ({ model, spec, calibration, threads }: StageContext): RemovalInputs => ({
  model,
  batches: calibration,
  threads,
  loss: ownLoss(spec.kind).loss,
})

/** A shape whose layers are others now. Zeros among the weights leave with them, nobody knows how many. */
export function withLayers(shape: Shape, layers: LayerSpec[]): Shape {
  const after = { ...shape, spec: { ...shape.spec, layers } }
  if (shape.zeros === 0 || JSON.stringify(layers) === JSON.stringify(shape.spec.layers)) return after
  return { ...after, unknown: shape.unknown ?? 'how many zeros have left with what was removed' }
}

/** The same for heads or rows, as a budget leaves them: whose they are may be open. */
export function withUnitsLeft(
  shape: Shape,
  layers: LayerSpec[],
  what: 'heads' | 'rows',
  budget: UnitBudget,
  units: readonly LayerUnits[],
): Shape {
  const after = withLayers(shape, layers)
  const before = shape.open ?? []
  if (isOpen(budget, units)) return { ...after, open: [...new Set([...before, what])] }
  if ('remove' in budget) {
    // Nothing goes, or every layer comes down to its best: that is certain, whatever each of them had.
    return budget.remove === 0 ? after : { ...after, open: before.filter((part) => part !== what) }
  }
  // What each layer keeps does not tell what leaves, where nobody knows what it has.
  return before.includes(what) ? { ...after, unknown: `how many ${what} each layer had` } : after
}

/** Numbers from native code: 0, 1, 5. */
export const numbers = (buffer: ArrayBuffer): number[] => [...new Int32Array(buffer)]

/** Ascending numbers in short, for reports: `0-3,5`. */
export function ranges(ascending: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < ascending.length; i++) {
    const first = ascending[i]!
    while (ascending[i + 1] === ascending[i]! + 1) i++
    parts.push(ascending[i] === first ? `${first}` : `${first}-${ascending[i]}`)
  }
  return parts.join(',')
}
