/**
 * How many heads or hidden units each layer is left, by the keys of a stage (lib/config/compress/amount.ts): one reckoning
 * for what is foretold and for what is done.
 */
import { evenly, impossible } from './stage'

/** What a layer has: `count` units, of `size` heads each, that stay or go together. */
export interface LayerUnits {
  count: number
  size: number
}

export interface Amount {
  keep?: number | undefined
  remove?: number | undefined
  scope: 'layer' | 'global'
  uniform: boolean
  multiple_of?: number | undefined
}

/** In units, as native code takes it: what each layer keeps, or how many go of all together, in blocks. */
export type UnitBudget = { keep: number[] } | { remove: number; block: number }

/** Throws `impossible` for what the layers do not have. `what`: heads, rows, for messages. */
export function unitBudget(amount: Amount, layers: readonly LayerUnits[], what: string): UnitBudget {
  if (amount.uniform) return { keep: evenlyKept(amount, layers, what) }
  if (amount.keep !== undefined) return { keep: keptOfEach(amount, amount.keep, layers, what) }
  if (amount.scope === 'layer') return { keep: leftOfEach(amount, amount.remove!, layers, what) }
  return sharedRemoval(amount, amount.remove!, layers, what)
}

/** Whether only scores can tell what each layer keeps. */
export function isOpen(budget: UnitBudget, layers: readonly LayerUnits[]): boolean {
  if ('keep' in budget || layers.length === 1) return false
  return budget.remove > 0 && budget.remove < removable(layers, budget.block)
}

/** Units that each layer has left; of an open budget an example of the right sum: the last layers lose all they can. */
export function unitsLeft(budget: UnitBudget, layers: readonly LayerUnits[]): number[] {
  if ('keep' in budget) return budget.keep
  const left = layers.map(({ count }) => count)
  let gone = budget.remove
  for (let i = left.length - 1; i >= 0; i--) {
    const here = Math.min(gone, left[i]! - budget.block)
    left[i]! -= here
    gone -= here
  }
  return left
}

/** The amounts of so many steps, from what the first one finds. Throws `impossible` for more than there is to go. */
export function amountSteps<A extends Amount>(
  amount: A,
  layers: readonly LayerUnits[],
  steps: number,
  what: string,
): A[] {
  const size = oneSize('steps', layers, what)
  const budget = unitBudget(amount, layers, what)
  if ('remove' in budget) {
    const { remove, block } = budget
    const marks = evenly(0, checkSteps(steps, remove / block), steps)
    return marks.map((mark, i) => ({ ...amount, remove: (mark - (marks[i - 1] ?? 0)) * block * size }))
  }
  const from = Math.max(...layers.map(({ count }) => count))
  const to = amount.keep === undefined ? alike(budget.keep, layers) : amount.keep / size
  checkSteps(steps, Math.floor((from - to) / (amount.multiple_of ?? 1)))
  return evenly(from, to, steps).map((units) => ({
    ...amount,
    keep: units * size,
    remove: undefined,
    scope: 'layer',
  }))
}

const totalOf = ({ count, size }: LayerUnits) => count * size

const removable = (layers: readonly LayerUnits[], block: number) =>
  layers.reduce((sum, { count }) => sum + count - block, 0)

/** A share of some units, rounded down; 0.29 of 100 are 29, whatever the product is in binary. */
export const shareOf = (share: number, units: number) => Math.floor(share * units + 1e-9)

/** As far as the layer has them. */
const roundedUp = (units: number, { multiple_of = 1 }: Amount, { count }: LayerUnits) =>
  Math.min(count, Math.ceil(units / multiple_of) * multiple_of)

function wholeUnits(key: string, heads: number, size: number, what: string): number {
  if (heads % size === 0) return heads / size
  const [below, above] = [Math.floor(heads / size) * size, Math.ceil(heads / size) * size]
  throw impossible(
    key,
    `expected a multiple of ${size}, as so many ${what} go together, received ${heads}`,
    `Nearest: ${below > 0 ? `${below} and ${above}` : above}.`,
  )
}

function keptOfEach(amount: Amount, keep: number, layers: readonly LayerUnits[], what: string): number[] {
  const most = Math.max(...layers.map(totalOf))
  if (keep > most)
    throw impossible('keep', `expected at most ${most} ${what}, as many as a layer has, received ${keep}`)
  return layers.map((layer) =>
    keep >= totalOf(layer)
      ? layer.count
      : roundedUp(wholeUnits('keep', keep, layer.size, what), amount, layer),
  )
}

function leftOfEach(amount: Amount, remove: number, layers: readonly LayerUnits[], what: string): number[] {
  return layers.map((layer, i) => {
    if (remove >= totalOf(layer))
      throw impossible(
        'remove',
        `expected fewer than the ${totalOf(layer)} ${what} of layer ${i}, received ${remove}`,
      )
    return roundedUp(layer.count - goneOf(remove, layer.count, layer.size, what), amount, layer)
  })
}

const goneOf = (remove: number, units: number, size: number, what: string) =>
  remove < 1 ? shareOf(remove, units) : wholeUnits('remove', remove, size, what)

function evenlyKept(amount: Amount, layers: readonly LayerUnits[], what: string): number[] {
  const size = oneSize('uniform', layers, what)
  const least = Math.min(...layers.map(({ count }) => count))
  const { keep, remove, scope } = amount
  const of = layers.length
  const total = layers.reduce((sum, { count }) => sum + count, 0)
  const gone = () => goneOf(remove!, total, size, what) * (remove! >= 1 && scope === 'layer' ? of : 1)
  const each = keep === undefined ? Math.floor((total - gone()) / of) : wholeUnits('keep', keep, size, what)
  if (each < 1 || (keep !== undefined && each > least)) {
    const problem = `expected 1 to ${least * size} ${what} in each layer, as the smallest has, received ${each * size}`
    throw impossible(keep === undefined ? 'remove' : 'keep', problem)
  }
  const even = roundedUp(each, amount, { count: least, size })
  return layers.map(() => even)
}

function sharedRemoval(
  { multiple_of: block = 1 }: Amount,
  remove: number,
  layers: readonly LayerUnits[],
  what: string,
): UnitBudget {
  const size = oneSize('scope', layers, what)
  for (const [i, { count }] of layers.entries())
    if (count % block !== 0)
      throw impossible(
        'multiple_of',
        `expected a divisor of the ${count} ${what} of layer ${i}, received ${block}`,
      )
  const total = layers.reduce((sum, { count }) => sum + count, 0)
  const gone = goneOf(remove, total, size, what)
  const most = removable(layers, block)
  if (gone > most) {
    const problem = `expected at most ${most * size} of ${total * size} ${what} to go, as each layer keeps its best, received ${remove}`
    throw impossible('remove', problem)
  }
  return { remove: gone - (gone % block), block }
}

function oneSize(key: string, layers: readonly LayerUnits[], what: string): number {
  const { size } = layers[0]!
  const other = layers.find((layer) => layer.size !== size)
  if (other === undefined) return size
  throw impossible(
    key,
    `expected layers where equally many ${what} go together, received some of ${size} and some of ${other.size}`,
    'Give keep, or remove by layer, without steps.',
  )
}

function alike(keep: readonly number[], layers: readonly LayerUnits[]): number {
  const same = (numbers: readonly number[]) => numbers.every((number) => number === numbers[0])
  if (same(keep) && same(layers.map(({ count }) => count))) return keep[0]!
  throw impossible(
    'steps',
    'expected layers that are alike where remove is reached in steps',
    'Give keep instead.',
  )
}

function checkSteps(steps: number, most: number): number {
  if (steps <= most) return most
  throw impossible('steps', `expected at most ${most}, one for each part that goes, received ${steps}`)
}
